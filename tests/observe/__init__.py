"""Polling, sampling and memory of processes."""
