"""What the provider tells of its own accord: verified, taken once, applied forward only."""
