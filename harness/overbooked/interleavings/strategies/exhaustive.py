"""The strategy of an exhaustive search within a preemption bound.

The search itself is `search.search`. Each schedule that it requests is a prefix followed by steps without
preemptions, so running it is a `Replay`.
"""

from __future__ import annotations

from overbooked.interleavings.search.schedule import Prefix
from overbooked.interleavings.strategies.replay import Replay


class Exhaustive(Replay):
    """One schedule of an exhaustive search.

    Args:
        prefix: the prefix that the search requests.
    """

    def __init__(self, prefix: Prefix) -> None:
        super().__init__(prefix.actors)
        self.prefix = prefix
