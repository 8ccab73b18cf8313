"""Collect the hard set only where the settings name its catalog."""

collect_ignore = ["hard"]
