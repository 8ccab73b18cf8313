"""Waiting for a place in a slot."""
