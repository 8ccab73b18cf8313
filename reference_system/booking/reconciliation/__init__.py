"""Reconciliation: what the provider has on record against what is on record here, and what is done."""
