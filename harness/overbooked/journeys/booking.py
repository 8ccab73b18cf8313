"""Booking without payment."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Answer, Slot


async def books_and_cancels(system: System, who: Customer, slot: Slot) -> Sequence[Answer]:
    """Book a place and cancel it; return the answers: only one if the booking failed."""
    booked = await system.do(who.books(slot))
    if not booked.ok:
        return [booked]
    return [booked, await system.do(who.cancels(booked))]


async def insists_on(system: System, who: Customer, slot: Slot, *, tries: int = 3) -> Sequence[Answer]:
    """Book with an idempotency key and retry with it while the outcome is unknown; return all answers."""
    key = who.new_key()
    answers = []
    for _ in range(tries):
        answers.append(await system.do(who.books(slot, key=key)))
        if not answers[-1].unknown:
            break
    return answers
