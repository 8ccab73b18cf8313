"""Load: arrivals scheduled ahead, latency from the intended start, invariants looked at afterwards.

Nothing is imported here: the generator's process must patch the standard library before it loads.
"""
