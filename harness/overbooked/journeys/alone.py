"""Whether the adapter can do alone what never succeeded in a scenario.

A request that is refused to everybody, always, shows nothing of a race or a fault: the path may be
wrong, the token, or the state that the adapter prepares. So each kind of request that never succeeded
is tried once more, by a new customer on a new slot, with nobody beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from overbooked.errors import GapFound, HarnessError
from overbooked.histories.operation import Operation
from overbooked.targets.adapter import Capability
from overbooked.targets.system import System

_OF_BOOKING = frozenset({"book", "cancel", "reschedule", "resize"})


@dataclass(slots=True)
class Outcomes:
    """What the requests of one verb came to."""

    ok: int = 0
    others: Counter[str] = field(default_factory=Counter)

    @property
    def usual(self) -> str:
        """What those that did not succeed were told most."""
        return self.others.most_common(1)[0][0] if self.others else ""

    @property
    def total(self) -> int:
        return self.ok + self.others.total()


def outcomes(operations: Iterable[Operation]) -> dict[str, Outcomes]:
    """What the requests of each verb came to."""
    found: dict[str, Outcomes] = {}
    for operation in operations:
        of_verb = found.setdefault(operation.verb, Outcomes())
        if operation.ok:
            of_verb.ok += 1
        else:
            of_verb.others[operation.problem or operation.outcome.value] += 1
    return found


async def wrong_adapter(system: System, done: Mapping[str, Outcomes], *, found: bool) -> str:
    """Why a scenario shows nothing: a verb that never succeeded does not succeed alone either.

    Args:
        done: what the scenario's requests came to.
        found: whether the scenario found a gap.

    Returns:
        One sentence; "" where nothing is wrong, or nothing can be said of it.
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
        return f"none of {total} requests succeeded ({usual}), so nothing was shown; check the adapter"
    return ""


async def _tried_alone(system: System, verbs: set[str]) -> Mapping[str, Outcomes]:
    """What the verbs came to that a new customer tried alone, as far as the target can do them."""
    since = system.recorder.now()
    for tries in (_books, _checks_out):
        with suppress(HarnessError, GapFound):  # what was tried before it is recorded
            await tries(system, verbs)
    return outcomes(system.history_since(since))


async def _books(system: System, verbs: set[str]) -> None:
    can = system.adapter.capabilities
    if not verbs & _OF_BOOKING or Capability.BOOKING not in can:
        return
    (who,) = await system.customers(1)
    slot = await system.open_slot(capacity=2)
    if "resize" in verbs and Capability.RESIZING in can:
        await system.do(system.resize(slot, 3))
    booked = await system.do(who.books(slot))
    if not booked.ok:
        return
    if "reschedule" in verbs and Capability.RESCHEDULING in can:
        await system.do(who.reschedules(booked, await system.open_slot(capacity=2)))
    if "cancel" in verbs:
        await system.do(who.cancels(await system.do(who.books(await system.open_slot(capacity=2)))))


async def _checks_out(system: System, verbs: set[str]) -> None:
    if verbs <= _OF_BOOKING or Capability.CHECKOUT not in system.adapter.capabilities:
        return
    (who,) = await system.customers(1)
    await system.walk(who.checks_out(await system.open_slot(capacity=2)))
