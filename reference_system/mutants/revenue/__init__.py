"""Mutants of the revenue gaps."""
