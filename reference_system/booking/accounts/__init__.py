"""Accounts, sessions, and the authentication of callers."""
