"""Mutants written from the clauses alone, first round."""
