"""Attacks on verdicts: each tries to get a false closed or a false open, and must fail."""
