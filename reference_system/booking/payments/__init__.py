"""Payments: the provider's client, the records of each payment, and refunds."""
