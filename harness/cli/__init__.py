"""The command line: `overbooked`."""

from harness.cli.entry import main

__all__ = ["main"]
