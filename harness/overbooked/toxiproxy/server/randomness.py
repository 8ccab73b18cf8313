"""Chance, from one seed: what a toxic draws depends on nothing but the seed and what it meets.

The draws of a toxic on a connection follow from the seed, the names of proxy and toxic and the
connection's rank among those the toxic has met. Other proxies, other toxics and the time of day have
no say, and a connection keeps its draw as long as it and the toxic live.
"""

from __future__ import annotations

import random


class Draws:
    """Where a proxy's toxics get their chance from."""

    def __init__(self, seed: int, proxy: str) -> None:
        self._prefix = f"{seed}\0{proxy}\0"

    def stream(self, toxic: str, rank: int) -> random.Random:
        """The random numbers of one toxic on the connection of a given rank (from 0)."""
        return random.Random(f"{self._prefix}{toxic}\0{rank}")
