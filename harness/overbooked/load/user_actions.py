"""What somebody who arrives does: actions one after another, each told the answer of the last.

A visit is a generator, so that it knows no way of sending: the load generator's greenlets drive it, and
a test can by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, TypeAlias, cast

from overbooked.targets.adapter import (
    Action,
    Adapter,
    Answer,
    BookingVerbs,
    Capability,
    CheckoutVerbs,
    Customer,
    Slot,
)

Visit: TypeAlias = Generator[Action, Answer, None]
Begin: TypeAlias = Callable[[Adapter, Customer, Slot, str], Visit]


def book(adapter: Adapter, who: Customer, slot: Slot, key: str) -> Visit:
    """Book a place."""
    yield who.does(cast("BookingVerbs", adapter).book(who, slot, key=key))


def book_and_cancel(adapter: Adapter, who: Customer, slot: Slot, key: str) -> Visit:
    """Book a place and give it back."""
    verbs = cast("BookingVerbs", adapter)
    booked = yield who.does(verbs.book(who, slot, key=key))
    if booked.ok:
        yield who.does(verbs.cancel(who, str(booked.facts["booking"])))


def buy(adapter: Adapter, who: Customer, slot: Slot, key: str) -> Visit:
    """Walk through checkout to the payment."""
    facts: dict[str, Any] = {}
    for step in cast("CheckoutVerbs", adapter).checkout(who, slot, key=key):
        answer = yield who.does(step.build(facts))
        if not answer.ok:
            return
        facts.update(answer.facts)


VISITS: Final[Mapping[str, Begin]] = {"book": book, "book_and_cancel": book_and_cancel, "buy": buy}

NEEDS: Final[Mapping[str, Capability]] = {
    "book": Capability.BOOKING,
    "book_and_cancel": Capability.BOOKING,
    "buy": Capability.CHECKOUT,
}
