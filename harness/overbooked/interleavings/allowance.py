"""How long an exploration may go on: it asks for as much time as the space that it has found needs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# Asks that so many seconds be left from now; returns how many are.
Ask = Callable[[float], float]

# Branches that were found cost as much as the schedules so far, and some more are found on the way.
_MORE = 1.3
# What is kept back, so that an exploration ends by itself and says how far it came.
_RESERVE_S = 2.0
_RESERVE_SCHEDULES = 3


def endless(_seconds: float) -> float:
    """No end at all."""
    return math.inf


class Allowance:
    """The time of one exploration.

    Args:
        ask: grows the budget as far as it may grow.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._began = time.monotonic()
        self._runs = 0

    def reaches(self, waiting: int) -> bool:
        """Whether there is time for another schedule; called after each.

        Args:
            waiting: branches that were found and not looked at.
        """
        self._runs += 1
        each = (time.monotonic() - self._began) / self._runs
        reserve = max(_RESERVE_S, _RESERVE_SCHEDULES * each)
        return self._ask(waiting * each * _MORE + reserve) > min(reserve, each * self._runs)
