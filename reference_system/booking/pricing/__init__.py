"""Prices of slots, and price locks that keep a quoted price for a time."""
