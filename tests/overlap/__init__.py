"""Tiny services that book by single statements, and what exploring says of them."""
