"""Deterministic randomness from one seed.

The random numbers of a toxic on a connection depend only on the seed, the names of proxy and toxic, and the
connection's rank among the toxic's connections. Other proxies, other toxics and the time have no influence,
and a connection keeps its numbers as long as it and the toxic exist.
"""

from __future__ import annotations

import random


class Draws:
    """The source of randomness of a proxy's toxics."""

    def __init__(self, seed: int, proxy: str) -> None:
        self._prefix = f"{seed}\0{proxy}\0"

    def stream(self, toxic: str, rank: int) -> random.Random:
        """The random numbers of one toxic on the connection of a given rank (from 0)."""
        return random.Random(f"{self._prefix}{toxic}\0{rank}")
