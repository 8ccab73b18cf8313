"""The system under test for scenarios: customers, slots, capabilities and the history."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from overbooked.capabilities import Capability, implementation, known, offers, require
from overbooked.capabilities.booking import BOOKING, Booking
from overbooked.capabilities.checkout import CHECKOUT, Checkout
from overbooked.capabilities.claims import claimed
from overbooked.capabilities.clock import CLOCK, Clock
from overbooked.capabilities.durable_state import DURABLE_STATE, DurableState
from overbooked.capabilities.jobs import JOBS, Jobs
from overbooked.capabilities.pricing import PRICING, Pricing
from overbooked.capabilities.reconciliation import RECONCILIATION, Reconciliation
from overbooked.capabilities.rescheduling import RESCHEDULING, Rescheduling
from overbooked.capabilities.resizing import RESIZING, Resizing
from overbooked.capabilities.sessions import SESSIONS, Sessions
from overbooked.capabilities.webhooks import WEBHOOKS, Webhooks
from overbooked.errors import NotSupported
from overbooked.histories.history import History, Recorder
from overbooked.system.customer import Customer, Products
from overbooked.system.steps import StepResults, slice_steps
from overbooked.system.verbs import CapabilityVerbs, JobCount
from overbooked.targets.adapter import Account, Action, Adapter, Answer, CheckoutStep, Money, Slot
from overbooked.targets.answer_summary import result, why
from overbooked.targets.client import Client, ask
from overbooked.targets.cookies import CookieJar, carrying
from overbooked.targets.errors import TargetError

P = TypeVar("P")

PRICE = Money(2500)


class Identity(Protocol):
    """Name and addresses for a new account; `overbooked.journeys.identities.Customera` is one."""

    @property
    def nick(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def phone(self) -> str: ...


class IdentitySource(Protocol):
    """Supplies new identities; `overbooked.journeys.identities.People` is one."""

    def some(self, n: int) -> Sequence[Identity]: ...


class System:
    """A target bound to a running stack, for one scenario. `overbooked.system.loading.bind` makes one.

    Every operation done through it is recorded; `history` has them all.

    Args:
        adapter: connected already.
        client: sends requests through the links.
        identities: source of new customers.
        rng: source of idempotency keys and of the order of a burst.
    """

    def __init__(
        self, adapter: Adapter, client: Client, identities: IdentitySource, rng: random.Random
    ) -> None:
        self.adapter = adapter
        self.client = client
        self.recorder = Recorder(time.monotonic)
        self.products = Products()
        self._identities = identities
        self._sets_cookies: bool | None = None
        self.rng = rng
        self._jobs_run = JobCount()

    async def close(self) -> None:
        """Close every connection; safe to repeat."""
        try:
            await self.adapter.close()
        finally:
            await self.client.close()

    @property
    def history(self) -> History:
        """All operations so far, in order of invocation."""
        return self.recorder.history()

    def history_since(self, moment: float) -> History:
        """Return the operations invoked at or after a moment of `recorder.now()`."""
        return History(tuple(op for op in self.history if op.invoked_at >= moment))

    # -- capabilities --------------------------------------------------------------------------

    def __getitem__(self, capability: Capability[P]) -> P:
        """Return the verbs of a capability; customers may be passed where the protocol has Account.

        Every operation raises TargetError if the adapter could not do it.

        Raises:
            NotSupported: the adapter does not claim it; the clause is not covered.
        """
        offered = implementation(self.adapter, capability)
        return cast("P", CapabilityVerbs(capability, offered, self.client.cookies, self._jobs_run))

    if not TYPE_CHECKING:  # so that a misspelt name is an error to a type checker

        def __getattr__(self, name: str) -> Any:
            """The verbs of a capability that has no property here, by its attribute's name."""
            if not name.startswith("_") and "adapter" in self.__dict__:
                for capability in (*claimed(self.adapter), *known().values()):
                    if capability.attribute == name:
                        return self[capability]
            raise AttributeError(f"System has no attribute {name!r} and no capability has that name")

    @property
    def booking(self) -> Booking:
        """Booking without payment; see also `customer.books(slot)`."""
        return self[BOOKING]

    @property
    def rescheduling(self) -> Rescheduling:
        """Moving bookings; see also `customer.reschedules(booking, to)`."""
        return self[RESCHEDULING]

    @property
    def resizing(self) -> Resizing:
        """Changing the capacity of slots."""
        return self[RESIZING]

    @property
    def checkout(self) -> Checkout:
        """Buying places; see also `customer.checks_out(slot)`."""
        return self[CHECKOUT]

    @property
    def pricing(self) -> Pricing:
        """Prices that change and must be rounded."""
        return self[PRICING]

    @property
    def sessions(self) -> Sessions:
        """Logging in, expiry and revocation."""
        return self[SESSIONS]

    @property
    def clock(self) -> Clock:
        """The common clock of service and provider."""
        return self[CLOCK]

    @property
    def jobs(self) -> Jobs:
        """Background jobs."""
        return self[JOBS]

    @property
    def webhooks(self) -> Webhooks:
        """The provider's events and their delivery."""
        return self[WEBHOOKS]

    @property
    def reconciliation(self) -> Reconciliation:
        """Reconciliation of the service's records with the provider's."""
        return self[RECONCILIATION]

    def offers(self, *capabilities: Capability[Any]) -> bool:
        """Whether the target has all of these capabilities."""
        return offers(self.adapter, *capabilities)

    def needs(self, *capabilities: Capability[Any]) -> None:
        """Raise NotSupported, naming what is missing, unless the target has all of these capabilities."""
        require(self.adapter, *capabilities)

    @property
    def jobs_run(self) -> int:
        """The number of background jobs that were run to their end; histories do not contain them."""
        return self._jobs_run.value

    @property
    def refuses(self) -> bool:
        """Whether the system refuses late requests for a place; otherwise it answers them like the first."""
        return bool(getattr(self.adapter, "refuses", True))

    def needs_refusals(self) -> None:
        """Raise NotSupported if the system refuses no request, for clauses about refusals."""
        if not self.refuses:
            raise NotSupported("needs refusals, and this system answers every request with OK")

    # -- durable state -------------------------------------------------------------------------

    async def state(
        self,
        *,
        slots: Sequence[Slot | str] | None = None,
        checkouts: Sequence[str] | None = None,
    ) -> DurableState:
        """Return the contents of database and provider journal, restricted if asked.

        Raises:
            TargetError: the adapter omits a record kind of a capability that it claims.
        """
        ids = None if slots is None else [slot if isinstance(slot, str) else slot.id for slot in slots]
        found = await self[DURABLE_STATE].state(slots=ids, checkouts=checkouts)
        for capability in claimed(self.adapter):
            for kind in capability.records:
                found.rows(kind)
        return found.by_slots(self.products.owners)

    async def seen_state(self, *, slots: Sequence[Slot | str]) -> DurableState | None:
        """Return `state`, or None if the target does not offer it.

        For clauses that the answers decide and durable state only confirms.
        """
        return await self.state(slots=slots) if self.offers(DURABLE_STATE) else None

    # -- slots and customers ------------------------------------------------------------------

    async def open_slot(
        self, capacity: int = 1, *, price: Money = PRICE, private_venue: bool = False
    ) -> Slot:
        """Offer a new slot in the future, overlapping no other.

        Args:
            capacity: the number of places.
            price: the price of a place.
            private_venue: give the slot a venue and a service of its own, so that changes to them
                affect no other slot.
        """
        slot = await self.adapter.open_slot(capacity=capacity, price=price, private_venue=private_venue)
        self.products.opened(slot)
        return slot

    async def customers(self, n: int) -> list[Customer]:
        """Return `n` new customers, registered and logged in, each with its own cookie jar."""
        identities = self._identities.some(n)
        accounts = await self._registered(identities)
        customers = []
        for identity, account in zip(identities, accounts, strict=True):
            account.nick = identity.nick
            customers.append(
                Customer(account, self.adapter, self.rng, phone=identity.phone, products=self.products)
            )
        return customers

    async def staff(self) -> list[Customer]:
        """Return an account of each other role, logged in, that can act as a customer; see `Sessions.staff`.

        Empty for a target without sessions.
        """
        accounts = await self.sessions.staff() if self.offers(SESSIONS) else ()
        return [Customer(each, self.adapter, self.rng, products=self.products) for each in accounts]

    async def log_in(self, *people: Account) -> None:
        """Log these in again, e.g. after the clock was moved; no effect for a target without sessions."""
        for who in people if self.offers(SESSIONS) else ():
            await self.sessions.log_in(who)

    async def second_session(self, who: Customer) -> Customer:
        """Return the same customer with a second session, as on another device."""
        account = replace(who.account, cookies=CookieJar())
        second = Customer(account, self.adapter, self.rng, phone=who.phone, products=self.products)
        await self.sessions.log_in(second)
        return second

    async def _registered(self, met: Sequence[Identity]) -> list[Account]:
        """Register the first one alone: if its log-in sets cookies, register each of the others alone."""
        if not met:
            return []
        if self._sets_cookies is None:
            first = await self._register(met[:1])
            self._sets_cookies = bool(first[0].cookies.cookies)
            return [*first, *await self._registered(met[1:])]
        if self._sets_cookies:
            return [customer for one in met for customer in await self._register([one])]
        return await self._register(met)

    async def _register(self, met: Sequence[Identity]) -> list[Account]:
        jar = CookieJar()
        with carrying(jar):
            customers = await self.adapter.customers([(one.name, one.email) for one in met])
        if len(customers) != len(met):
            raise TargetError(f"asked the adapter for {len(met)} customers, got {len(customers)}")
        if len(met) == 1:
            customers[0].cookies = jar
        elif jar.cookies:
            raise TargetError(
                "the system sets cookies when some customers log in and none when others do, so they "
                "cannot be assigned; have the adapter keep each customer's cookies in `session`"
            )
        return customers

    # -- actions -------------------------------------------------------------------------------

    async def do(self, action: Action, *, replica: int | None = None) -> Answer:
        """Send an action and record its answer; the answer is UNKNOWN without a response or with a 5xx.

        Args:
            replica: the replica that serves it, from 0; default the first.

        Raises:
            TargetError: the adapter cannot read the answer.
        """
        call = self.recorder.invoke(action.who, action.verb, action.args)
        answer = await ask(self.client, action, replica=replica)
        call.end(answer.outcome, result(answer), why(answer))
        return answer

    async def do_ok(self, action: Action, *, replica: int | None = None) -> Answer:
        """Do an action that must succeed before the scenario can judge anything.

        Args:
            replica: the replica that serves it, from 0; default the first.

        Raises:
            TargetError: it did not succeed; the scenario is then inconclusive.
        """
        answer = await self.do(action, replica=replica)
        if not answer.ok:
            raise TargetError(
                f"{action.verb} by {action.who} had to succeed for the scenario to begin, "
                f"got {answer.outcome.value}: {why(answer)}"
            )
        return answer

    async def make_booking(self, who: Customer, slot: Slot) -> str:
        """Book a place before the scenario begins, and return the booking's id.

        Raises:
            TargetError: the booking was not made.
        """
        answer = await self.do_ok(who.books(slot))
        return str(answer.facts["booking"])

    async def walk(
        self,
        steps: Sequence[CheckoutStep],
        *,
        facts: Mapping[str, Any] | None = None,
        since: str | None = None,
        until: str | None = None,
        replica: int | None = None,
    ) -> StepResults:
        """Do the steps one after another, each built from the facts of the previous ones.

        The walk ends after the first answer that is not OK.

        Args:
            facts: facts known already, e.g. of the first part of the walk.
            since: the first step to do.
            until: the step before which the walk stops.
            replica: the replica that serves it, from 0; default the first.

        Raises:
            ValueError: there is no such step.
        """
        known = dict(facts or {})
        answers: dict[str, Answer] = {}
        for step in slice_steps(steps, since=since, until=until):
            answer = await self.do(step.build(known), replica=replica)
            answers[step.name] = answer
            known.update(answer.facts)
            if not answer.ok:
                break
        return StepResults(answers, known)
