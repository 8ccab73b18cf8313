"""Mutants of the waitlist."""
