"""Load: scheduled arrivals, latency from the intended start, and invariants checked afterwards.

Nothing is imported here: the generator's process must patch the standard library before it loads.
"""
