"""The system under test as a scenario sees it: people, slots, and what came of their doing."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from overbooked.histories.history import History, Recorder
from overbooked.targets.adapter import Action, Adapter, Answer, CheckoutStep, Customer, Money, Slot
from overbooked.targets.answer_summary import result_of, why
from overbooked.targets.client import Client, ask
from overbooked.targets.cookies import CookieJar, carrying
from overbooked.targets.errors import TargetFailed
from overbooked.targets.person import Person, Products
from overbooked.targets.steps import Walk, part
from overbooked.targets.verbs import Verbs

PRICE = Money(2500)


class Acquaintance(Protocol):
    """A person not yet a customer; `overbooked.journeys.identities.Persona` is one."""

    @property
    def nick(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def phone(self) -> str: ...


class Crowd(Protocol):
    """Where new people come from; `overbooked.journeys.identities.People` is one."""

    def some(self, n: int) -> Sequence[Acquaintance]: ...


class System(Verbs):
    """A target bound to a running stack, for one scenario. `overbooked.targets.loading.bind` makes one.

    Every operation done through it is recorded; `history` has them all.

    Args:
        adapter: connected already.
        client: sends through the links.
        people: where new customers come from.
        rng: where idempotency keys come from, and the order of a burst.
    """

    def __init__(self, adapter: Adapter, client: Client, people: Crowd, rng: random.Random) -> None:
        self.adapter = adapter
        self.client = client
        self.recorder = Recorder(time.monotonic)
        self.products = Products()
        self._people = people
        self._sets_cookies: bool | None = None
        self.rng = rng

    async def close(self) -> None:
        """Let go of every connection; safe to repeat."""
        try:
            await self.adapter.close()
        finally:
            await self.client.close()

    @property
    def history(self) -> History:
        """Every operation so far, in the order they were invoked."""
        return self.recorder.history()

    def history_since(self, moment: float) -> History:
        """The operations invoked at or after a moment of `recorder.now()`."""
        return History(tuple(op for op in self.history if op.invoked_at >= moment))

    # -- offering and meeting ------------------------------------------------------------------

    async def open_slot(
        self, capacity: int = 1, *, price: Money = PRICE, private_venue: bool = False
    ) -> Slot:
        """Offer a new slot in the future, overlapping no other.

        Args:
            capacity: how many places it has.
            price: what a place costs.
            private_venue: give the slot a venue and a service of its own, so that what is done to
                these touches no other slot.
        """
        slot = await self.adapter.open_slot(capacity=capacity, price=price, private_venue=private_venue)
        self.products.opened(slot)
        return slot

    async def customers(self, n: int) -> list[Person]:
        """`n` new customers, registered and logged in, each with a cookie jar of its own."""
        met = self._people.some(n)
        customers = await self._registered(met)
        people = []
        for one, customer in zip(met, customers, strict=True):
            customer.nick = one.nick
            people.append(
                Person(one.nick, customer, self.adapter, self.rng, phone=one.phone, products=self.products)
            )
        return people

    async def _registered(self, met: Sequence[Acquaintance]) -> list[Customer]:
        """The first alone: whether the system sets cookies decides how the others are registered."""
        if not met:
            return []
        if self._sets_cookies is None:
            first = await self._register(met[:1])
            self._sets_cookies = bool(first[0].cookies.cookies)
            return [*first, *await self._registered(met[1:])]
        if self._sets_cookies:
            return [customer for one in met for customer in await self._register([one])]
        return await self._register(met)

    async def _register(self, met: Sequence[Acquaintance]) -> list[Customer]:
        jar = CookieJar()
        with carrying(jar):
            customers = await self.adapter.customers([(one.name, one.email) for one in met])
        if len(customers) != len(met):
            raise TargetFailed(f"asked the adapter for {len(met)} customers, got {len(customers)}")
        if len(met) == 1:
            customers[0].cookies = jar
        elif jar.cookies:
            raise TargetFailed(
                "the system sets cookies for some customers when they log in and for others not, so they "
                "cannot be told apart; have the adapter keep each customer's cookies in `session`"
            )
        return customers

    # -- doing ---------------------------------------------------------------------------------

    async def do(self, action: Action, *, replica: int | None = None) -> Answer:
        """Do one thing and say what came of it; the answer is UNKNOWN when none came or a 5xx did.

        Args:
            replica: which replica serves it, from 0; default the first.

        Raises:
            TargetFailed: the adapter cannot read the answer.
        """
        call = self.recorder.invoke(action.who, action.verb, action.args)
        answer = await ask(self.client, action, replica=replica)
        call.end(answer.outcome, result_of(answer), why(answer))
        return answer

    async def must(self, action: Action) -> Answer:
        """Do what has to succeed before the scenario means anything.

        Raises:
            TargetFailed: it did not; the scenario is inconclusive, which is no word on the gap.
        """
        answer = await self.do(action)
        if not answer.ok:
            raise TargetFailed(
                f"{action.verb} by {action.who} had to succeed for the scenario to begin, "
                f"got {answer.outcome.value}: {why(answer)}"
            )
        return answer

    async def booking(self, who: Person, slot: Slot) -> str:
        """Let somebody book, as a scenario's beginning; the booking's id.

        Raises:
            TargetFailed: the booking was not made.
        """
        answer = await self.must(who.books(slot))
        return str(answer.facts["booking"])

    async def walk(
        self,
        steps: Sequence[CheckoutStep],
        *,
        facts: Mapping[str, Any] | None = None,
        since: str | None = None,
        until: str | None = None,
        replica: int | None = None,
    ) -> Walk:
        """Do the steps one after the other, each built from what those before it brought.

        The walk ends after the first answer that is not OK.

        Args:
            facts: what is known already, e.g. from the first part of the walk.
            since: begin with this step.
            until: stop before this step.
            replica: which replica serves it, from 0; default the first.

        Raises:
            ValueError: there is no such step.
        """
        known = dict(facts or {})
        answers: dict[str, Answer] = {}
        for step in part(steps, since=since, until=until):
            answer = await self.do(step.build(known), replica=replica)
            answers[step.name] = answer
            known.update(answer.facts)
            if not answer.ok:
                break
        return Walk(answers, known)
