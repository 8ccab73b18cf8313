"""Bursts of real requests and their connections."""
