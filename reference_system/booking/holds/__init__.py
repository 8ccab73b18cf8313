"""Holds: places reserved for a limited time during a checkout."""
