"""Checkout: a place and a price held, paid for as a saga, brought to a definite end whatever happens."""
