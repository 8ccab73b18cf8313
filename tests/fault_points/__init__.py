"""Fault points: recording a journey, sweeping it, its results."""
