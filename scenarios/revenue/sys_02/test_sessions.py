"""SYS-02: a session that ends during checkout causes no lost place, no new price and no stranger's access."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overbooked.capabilities.jobs import JOBS
from overbooked.capabilities.pricing import PRICING
from overbooked.scenario import (
    Answer,
    Budget,
    Customer,
    Judge,
    Money,
    Sample,
    Slot,
    System,
    accepted,
    booking_methods,
    gap,
    is_bought,
    log_in_afresh,
    nothing_changed,
    quoted_price,
    read_checkout,
    refused_with,
    requests_of_checkout,
    same_checkout,
    strangers_requests,
    survives,
    together,
    try_request,
)

QUOTED = Money(2500)
ANY = Slot("any", 1, QUOTED)
# The price while the customer is away: a mistake would charge it.
PRICES = (Money(3100), Money(1900), Money(25_000))
# How much later the customer comes back, in seconds.
LATER_S = (2, 240)
# Checkouts that are interrupted at the same time, in the same way.
AT_ONCE = 6
INTERRUPTED = "interrupted requests"
# How a session ends has nothing to do with how prices change, so a sample need not have both in every pair.
APART = ("way", "repriced")
# Idempotency key of the payment after the interruption.
KEYS = ("same key", "new key")
# A stranger tries while the owner is away, or after the owner has logged in again.
WHILE = ("owner away", "owner back")
# Who the stranger is.
CUSTOMER = "customer"
READ = "read"


def interruptions(system: System, who: Customer) -> dict[str, Sequence[Any]]:
    """The axes of an interruption: where, how, and what has changed when the customer comes back."""
    return {
        "way": system.sessions.endings,
        "at": requests_of_checkout(who, ANY),
        "repriced": system.pricing.repricings if system.offers(PRICING) else ("not at all",),
        "price": PRICES,
        "method": booking_methods(system),
        "later_s": LATER_S,
        "key": KEYS,
        "served_by": (0, 1),
        "back_at": (0, 1),
    }


@dataclass
class Interruption:
    """One checkout whose session ends before one of its requests; `case` has a value for each axis."""

    system: System
    judge: Judge
    who: Customer
    case: Any

    async def begin(self) -> None:
        """Do the requests before the one that is interrupted, and let both replicas know the session."""
        self.slot = await self.system.open_slot(capacity=2, price=QUOTED, private_venue=True)
        self.key = self.who.new_key()
        self.steps = self.who.checks_out(self.slot, key=self.key, method=self.case.method)
        await self.system.do_ok(self.steps[0].build({}), replica=1 - self.case.served_by)
        self.before = await self.system.walk(self.steps, until=self.case.at, replica=self.case.served_by)
        self.read = await read_checkout(self.system, self.who, self.before.facts)
        self.was, self.ended = await self.system.state(slots=[self.slot]), self.who.session

    async def be_refused(self) -> None:
        """Send the interrupted request; then the price changes."""
        self.interrupted = await try_request(
            self.system, self.who, self.steps, self.case.at, self.before.facts
        )
        if self.system.offers(PRICING):
            await self.system.pricing.reprice(self.slot, self.case.repriced, self.case.price)

    async def come_back(self) -> None:
        """Log in afresh, find the checkout as it was, and pay for it."""
        system, who, case, facts = self.system, self.who, self.case, self.before.facts
        with self.judge("SYS-02.b"):
            await log_in_afresh(system, who)
        with self.judge("SYS-02.a"):
            still = await try_request(
                system, who, self.steps, case.at, facts, session=self.ended, replicas=[case.back_at]
            )
            for answer in (*self.interrupted, *still):
                refused_with(answer, 401)
            nothing_changed(self.was, await system.state(slots=[self.slot]))
            if self.read is not None:
                same_checkout(self.read, await system.do(who.reads(facts["checkout"]), replica=case.back_at))
                survives(self.read, facts)
        with self.judge("SYS-02.b"):
            key = self.key if case.key == "same key" else None
            again = who.checks_out(self.slot, key=key, method=case.method)
            after = await system.walk(again, facts=facts, since=case.at, replica=case.back_at)
            accepted(after.last, f"a checkout could not be resumed at {case.at}, {case.way}")
            told = [*self.before.answers.values(), *after.answers.values()]
            await is_bought(system, who, self.slot, told, after.facts, case.method)


@gap("SYS-02.a", "SYS-02.b")
async def test_a_checkout_survives_a_401_and_is_resumed(
    system: System, judge: Judge, rng: random.Random, budget: Budget
) -> None:
    axes = interruptions(system, (await system.customers(1))[0])
    sample = Sample(judge, axes, rng, most=budget.rounds, what=INTERRUPTED, apart=APART)
    for same, group in sample.groups("way", "later_s", size=AT_ONCE):
        # New customers, whose one session is the one that ends.
        people = await system.customers(len(group))
        all_of = [Interruption(system, judge, *each) for each in zip(people, group, strict=True)]
        await together(*(one.begin() for one in all_of))
        for one in all_of:
            await system.sessions.end_session(one.who, same.way)
        await together(*(one.be_refused() for one in all_of))
        await system.clock.advance(same.later_s)
        if same.later_s != LATER_S[0] and system.offers(JOBS):
            await system.jobs.run_due()  # as timers have done within minutes
        await together(*(one.come_back() for one in all_of))


@gap("SYS-02.a", "SYS-02.b")
async def test_a_checkout_survives_a_401_at_each_of_its_requests(
    system: System, ana: Customer, judge: Judge
) -> None:
    for method in booking_methods(system):
        slot = await system.open_slot(capacity=2, price=QUOTED)
        told: list[Answer] = []
        facts: Mapping[str, Any] = {}
        steps = ana.checks_out(slot, method=method)
        for step in steps:
            ended = ana.session
            await system.sessions.revoke_session(ana)
            with judge("SYS-02.a"):
                for answer in await try_request(system, ana, steps, step.name, facts, session=ended):
                    refused_with(answer, 401)
            with judge("SYS-02.b"):
                await log_in_afresh(system, ana)
            told.append(await system.do(step.build(facts)))
            facts = {**facts, **told[-1].facts}
            judge.tally("interrupted requests of one checkout")
        with judge("SYS-02.b"):
            accepted(told[-1], "a checkout that was interrupted at each request could not be paid")
            await is_bought(system, ana, slot, told, facts, method)


@dataclass
class Intrusion:
    """A stranger tries to get at a checkout that a 401 interrupted; `case` has a value for each axis."""

    system: System
    judge: Judge
    owner: Customer
    stranger: Customer
    case: Any

    async def begin(self) -> None:
        """Do the owner's requests before the one that is interrupted."""
        self.slot, self.other = await self.system.open_slot(capacity=2), await self.system.open_slot()
        self.key = self.owner.new_key()
        self.steps = self.owner.checks_out(self.slot, key=self.key, method=self.case.method)
        until = None if self.case.at == READ else self.case.at
        self.before = await self.system.walk(self.steps, until=until)

    async def fail(self) -> None:
        """Try everything, and change nothing."""
        system, case, facts = self.system, self.case, self.before.facts
        await try_request(system, self.owner, self.steps, case.at, facts)
        if case.tries_while == "owner back":
            await system.sessions.log_in(self.owner)
        await system.sessions.log_in(self.stranger)
        was = await system.state(slots=[self.slot, self.other])
        ways = strangers_requests(
            self.stranger, self.slot, self.other, facts, key=self.key, methods=booking_methods(system)
        )
        for attempt in ways:
            refused_with(await system.do(attempt, replica=case.tries_at), 403, 404)
            self.judge.tally("attempts")
        nothing_changed(was, await system.state(slots=[self.slot, self.other]))

    async def leave_it_to_its_owner(self) -> None:
        """The owner finds the checkout and pays for it."""
        system, who, told, facts = (
            self.system,
            self.owner,
            list(self.before.answers.values()),
            self.before.facts,
        )
        await system.sessions.log_in(who)
        if read := await read_checkout(system, who, facts):
            survives(read, {**facts, "price": quoted_price(told)}, held=self.case.at != READ)
        if self.case.at != READ:
            after = await system.walk(self.steps, facts=facts, since=self.case.at)
            accepted(after.last, "a checkout that a stranger tried to get no longer served its owner")
            told, facts = [*told, *after.answers.values()], after.facts
        await is_bought(system, who, self.slot, told, facts, self.case.method)


@gap("SYS-02.c")
async def test_nobody_else_gets_at_an_interrupted_checkout(
    system: System, judge: Judge, rng: random.Random, budget: Budget
) -> None:
    strangers, staff = await system.customers(AT_ONCE), await system.staff()
    ends = {"expired": system.sessions.expire_access, "revoked": system.sessions.revoke_session}
    axes: dict[str, Sequence[Any]] = {
        "at": (*requests_of_checkout(strangers[0], ANY), READ),
        "way": tuple(ends),
        "method": booking_methods(system),
        "stranger": (CUSTOMER, *(who.name for who in staff)),
        "tries_while": WHILE,
        "tries_at": (0, 1),
    }
    sample = Sample(judge, axes, rng, most=budget.rounds, what="checkouts of others")
    for same, group in sample.groups("way", size=AT_ONCE):
        owners = await system.customers(len(group))  # whose one session is the one that ends
        others = [
            next((one for one in staff if one.name == case.stranger), stranger)
            for stranger, case in zip(strangers, group, strict=False)
        ]
        all_of = [Intrusion(system, judge, *each) for each in zip(owners, others, group, strict=True)]
        await together(*(one.begin() for one in all_of))
        for one in all_of:
            await ends[same.way](one.owner)
        await together(*(one.fail() for one in all_of))
        await together(*(one.leave_it_to_its_owner() for one in all_of))
