"""Accounts, sessions, and who is calling."""
