"""The actions of an arrival, in sequence; each gets the answer of the previous one.

A visit is a generator and sends nothing itself: the load generator's greenlets or a test drive it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, TypeAlias

from overbooked.capabilities import Capability, implementation
from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.checkout import CHECKOUT
from overbooked.targets.adapter import Account, Action, Adapter, Answer, Slot

Visit: TypeAlias = Generator[Action, Answer, None]
Begin: TypeAlias = Callable[[Adapter, Account, Slot, str], Visit]


def book(adapter: Adapter, who: Account, slot: Slot, key: str) -> Visit:
    """Book a place."""
    yield who.does(implementation(adapter, BOOKING).book(who, slot, key=key))


def book_and_cancel(adapter: Adapter, who: Account, slot: Slot, key: str) -> Visit:
    """Book a place and cancel it."""
    verbs = implementation(adapter, BOOKING)
    booked = yield who.does(verbs.book(who, slot, key=key))
    if booked.ok:
        yield who.does(verbs.cancel(who, str(booked.facts["booking"])))


def buy(adapter: Adapter, who: Account, slot: Slot, key: str) -> Visit:
    """Do a whole checkout."""
    facts: dict[str, Any] = {}
    for step in implementation(adapter, CHECKOUT).checkout(who, slot, key=key):
        answer = yield who.does(step.build(facts))
        if not answer.ok:
            return
        facts.update(answer.facts)


VISITS: Final[Mapping[str, Begin]] = {"book": book, "book_and_cancel": book_and_cancel, "buy": buy}

NEEDS: Final[Mapping[str, Capability[Any]]] = {
    "book": BOOKING,
    "book_and_cancel": BOOKING,
    "buy": CHECKOUT,
}
