"""Exploring races: search, scheduler, footprints, shrinking."""
