"""The time budget of an exploration: requests as much time as the known search space needs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# Requests a number of seconds from now; returns how many are granted.
Ask = Callable[[float], float]

# Factor on the estimated time for the known branches, because more branches are found while running them.
_MORE = 1.3
# Reserve: the exploration ends this many seconds before its deadline, to report its progress.
_RESERVE_S = 2.0
_RESERVE_SCHEDULES = 3


def endless(_seconds: float) -> float:
    """Grant unlimited time."""
    return math.inf


class Allowance:
    """The time budget of one exploration.

    Args:
        ask: requests seconds from now, and returns how many are granted.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._began = time.monotonic()
        self._runs = 0

    def reaches(self, waiting: int) -> bool:
        """Return whether there is time for another schedule; call it after each.

        Args:
            waiting: number of branches that were found and not run yet.
        """
        self._runs += 1
        each = (time.monotonic() - self._began) / self._runs
        reserve = max(_RESERVE_S, _RESERVE_SCHEDULES * each)
        return self._ask(waiting * each * _MORE + reserve) > min(reserve, each * self._runs)
