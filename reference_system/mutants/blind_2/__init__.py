"""Mutants of the second blind round: their authors had read the clauses and no scenario."""
