"""Checkout: holds a place and a price, pays by a saga, and reaches a definite end after any failure."""
