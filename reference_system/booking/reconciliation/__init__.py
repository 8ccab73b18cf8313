"""Reconciliation: compares the provider's records with the service's and repairs differences."""
