"""Webhooks of the payment provider: verified, processed once, applied forward only."""
