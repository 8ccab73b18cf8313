"""Mutants of the hard set: races that bursts rarely hit."""
