"""What it means that a part of a stack has died on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.errors import StackError, SystemDied


class Dead(Protocol):
    """A part that has ended."""

    @property
    def name(self) -> str: ...

    def log_tail(self, lines: int = 40) -> list[str]: ...


def own_death(part: Dead, end: str, *, replicas: Sequence[str]) -> SystemDied | StackError:
    """The service under test that dies opens a gap; any other part makes the run inconclusive.

    Args:
        end: how it ended, e.g. `was ended by SIGSEGV`.
        replicas: names of the service's replicas.
    """
    log = part.log_tail(20)
    if part.name in replicas:
        return SystemDied(
            f"{part.name} {end} while no fault of ours was aimed at it",
            expected="the service outlives whatever it is asked",
            observed=f"{part.name} {end}",
            details={"log": log},
        )
    return StackError(f"{part.name} {end} on its own", part=part.name, log=log)
