"""Statements that overlap inside the database."""
