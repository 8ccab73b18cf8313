"""Overbooked: a chaos and gap-detection harness for booking systems."""

__version__ = "0.1.0"
