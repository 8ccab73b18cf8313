"""The command line: `overbooked`."""

from overbooked.cli.entry import main

__all__ = ["main"]
