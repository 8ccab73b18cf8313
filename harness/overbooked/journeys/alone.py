"""Checks whether a verb that never succeeded in a scenario succeeds alone.

A request that is always refused proves nothing about a race or a fault: the path, the token or the state that
the adapter prepares may be wrong. So each verb that never succeeded is tried once more, for a new customer on
a new slot, without concurrent requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.checkout import CHECKOUT
from overbooked.capabilities.rescheduling import RESCHEDULING
from overbooked.capabilities.resizing import RESIZING
from overbooked.errors import GapFound, HarnessError
from overbooked.histories.operation import Operation
from overbooked.system.system import System

_OF_BOOKING = frozenset({"book", "cancel", "reschedule", "resize"})


@dataclass(slots=True)
class Outcomes:
    """The outcomes of the requests of one verb."""

    ok: int = 0
    others: Counter[str] = field(default_factory=Counter)

    @property
    def usual(self) -> str:
        """The most frequent answer among the requests that did not succeed."""
        return self.others.most_common(1)[0][0] if self.others else ""

    @property
    def total(self) -> int:
        return self.ok + self.others.total()


def outcomes(operations: Iterable[Operation]) -> dict[str, Outcomes]:
    """Return the outcomes of the requests of each verb."""
    found: dict[str, Outcomes] = {}
    for operation in operations:
        of_verb = found.setdefault(operation.verb, Outcomes())
        if operation.ok:
            of_verb.ok += 1
        else:
            of_verb.others[operation.problem or operation.outcome.value] += 1
    return found


async def wrong_adapter(system: System, done: Mapping[str, Outcomes], *, found: bool) -> str:
    """Return why a scenario proves nothing, e.g. a verb that never succeeded fails alone, too.

    Args:
        done: the outcomes of the scenario's requests.
        found: whether the scenario found a gap.

    Returns:
        One sentence; "" if no problem was found.
    """
    never = {verb: each for verb, each in done.items() if not each.ok}
    if not never:
        return ""
    alone = await _tried_alone(system, set(never))
    for verb, each in never.items():
        if verb in alone and not alone[verb].ok:
            return (
                f"no {verb} succeeded in {each.total} requests, and one alone on a new slot is answered "
                f"{alone[verb].usual}; check the adapter"
            )
    if len(never) == len(done) and not found:
        total = sum(each.total for each in never.values())
        usual = next(iter(never.values())).usual
        return f"none of {total} requests succeeded ({usual}), so nothing was proven; check the adapter"
    return ""


async def _tried_alone(system: System, verbs: set[str]) -> Mapping[str, Outcomes]:
    """Try the verbs that the target offers alone with a new customer; return their outcomes."""
    since = system.recorder.now()
    for tries in (_books, _checks_out):
        with suppress(HarnessError, GapFound):  # requests sent before the error are recorded
            await tries(system, verbs)
    return outcomes(system.history_since(since))


async def _books(system: System, verbs: set[str]) -> None:
    if not verbs & _OF_BOOKING or not system.offers(BOOKING):
        return
    (who,) = await system.customers(1)
    slot = await system.open_slot(capacity=2)
    if "resize" in verbs and system.offers(RESIZING):
        await system.do(system.resizing.resize(slot, 3))
    booked = await system.do(who.books(slot))
    if not booked.ok:
        return
    if "reschedule" in verbs and system.offers(RESCHEDULING):
        await system.do(who.reschedules(booked, await system.open_slot(capacity=2)))
    if "cancel" in verbs:
        await system.do(who.cancels(await system.do(who.books(await system.open_slot(capacity=2)))))


async def _checks_out(system: System, verbs: set[str]) -> None:
    if verbs <= _OF_BOOKING or not system.offers(CHECKOUT):
        return
    (who,) = await system.customers(1)
    await system.walk(who.checks_out(await system.open_slot(capacity=2)))
