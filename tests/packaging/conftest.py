"""Excludes the files of the waitlist: a feature that a test adds to a copy of the project."""

collect_ignore = ["waitlist"]
