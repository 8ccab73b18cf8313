"""Booking without payment."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.targets.adapter import Answer, Slot
from overbooked.targets.person import Person
from overbooked.targets.system import System


async def books_and_cancels(system: System, who: Person, slot: Slot) -> Sequence[Answer]:
    """Book a place and give it back; the answers, one only when the booking was not made."""
    booked = await system.do(who.books(slot))
    if not booked.ok:
        return [booked]
    return [booked, await system.do(who.cancels(booked))]


async def insists_on(system: System, who: Person, slot: Slot, *, tries: int = 3) -> Sequence[Answer]:
    """Book with an idempotency key, and again with the same while nobody answers; all answers."""
    key = who.new_key()
    answers = []
    for _ in range(tries):
        answers.append(await system.do(who.books(slot, key=key)))
        if not answers[-1].unknown:
            break
    return answers
