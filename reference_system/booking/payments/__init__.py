"""Payments: the provider's client, what is recorded of each payment, and refunds."""
