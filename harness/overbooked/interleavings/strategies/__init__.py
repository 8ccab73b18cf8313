"""Implementations of `scheduler.strategy.Strategy`, which chooses the next actor; one file each."""
