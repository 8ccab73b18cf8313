"""SYS-04: the quoted price is charged while the quote is valid, and no longer."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overbooked.capabilities.jobs import JOBS
from overbooked.scenario import (
    Answer,
    Budget,
    Customer,
    HarnessError,
    Judge,
    Money,
    Sample,
    Slot,
    System,
    accepted,
    booking_methods,
    gap,
    is_bought,
    new_price_told,
    nothing_charged,
    paid_bookings,
    refused_with,
    requests_of_checkout,
    together,
)

QUOTED = 2500
# The price while a quote lives, and when it has expired: dearer, a little or many times, cheaper, free, same.
LIVING = (3100, 1900, 10 * QUOTED, 0)
EXPIRED = (10 * QUOTED, 1900, QUOTED)
# A change of price after the last request: a bank transfer is not captured yet.
PAID = "after the payment"
# The age of a quote when its checkout begins: it is presented at once, or shortly before it expires.
NEW, NEARLY_EXPIRED = "new", "nearly expired"
# For how long a quote has expired, in seconds: it expires at this moment, or has done so long ago.
LATE_S = (0, 3600, 3 * 86_400, 30 * 86_400)
# After these, the background jobs have found what has expired; after the others, nobody has.
JOBS_HAVE_RUN = LATE_S[1::2]
# Seconds left of a quote that has nearly expired; a checkout takes less, or shows nothing.
SPARE_S = 30
# Checkouts at the same time, each of its own customer.
AT_ONCE = 6
# Where a request goes and what it costs in which currency has nothing to do with how prices change.
APART = ("repriced", "late_s", "currency", "served_by", "age")


@dataclass
class QuotedCheckout:
    """A checkout with a quote; `case` has a value for each axis."""

    system: System
    who: Customer
    case: Any

    async def quote(self) -> None:
        """Get the quote and nothing else."""
        await self.system.log_in(self.who)
        price = Money(QUOTED, self.case.currency)
        self.slot = await self.system.open_slot(capacity=2, price=price, private_venue=True)
        self.steps = self.who.checks_out(self.slot, method=self.case.method)
        self.walked = await self.system.walk(self.steps, until="begin", replica=self.case.served_by)
        self.answers: list[Answer] = list(self.walked.answers.values())
        self.facts: Mapping[str, Any] = self.walked.facts

    async def walk(self, *, since: str | None = None, until: str | None = None, replica: int = 0) -> None:
        """Do some requests; those after a refusal are not sent."""
        if not self.answers[-1].ok:
            return
        replica += self.case.served_by
        walked = await self.system.walk(
            self.steps, facts=self.facts, since=since, until=until, replica=replica
        )
        self.answers += walked.answers.values()
        self.facts = walked.facts

    async def come_to(self, moment: str) -> None:
        """Do the requests between the quote and the moment."""
        await self.system.log_in(self.who)
        if moment != "begin":
            await self.walk(since="begin", until=None if moment == PAID else moment)

    async def reprice(self) -> None:
        """Change the slot's price as the case says."""
        price = Money(self.case.price, self.case.currency)
        await self.system.pricing.reprice(self.slot, self.case.repriced, price)

    async def buy(self) -> None:
        """Do the rest of the requests, at the other replica; the quoted price is charged."""
        case = self.case
        if case.at != PAID:
            await self.walk(since=case.at, replica=1)
        accepted(self.answers[-1], f"a quote did not survive a change by {case.repriced}, {case.at}")
        await is_bought(self.system, self.who, self.slot, self.answers, self.facts, case.method)

    async def be_refused(self) -> None:
        """Do the rest of the requests, and the last one again: each time the new price is told."""
        case, system = self.case, self.system
        await system.log_in(self.who)  # so that only the quote has expired
        await self.walk(since=case.at)
        again = [self.last_request() for _ in (0, 1)]
        for answer in (self.answers[-1], *[await system.do(one, replica=n) for n, one in enumerate(again)]):
            refused_with(answer, 409)
            new_price_told(answer, Money(case.price, case.currency))
        state = await system.state(slots=[self.slot])
        nothing_charged(state)
        paid_bookings(state, 0)

    def last_request(self) -> Any:
        """The request that a checkout with an expired quote ends with, under a key of its own."""
        if "checkout" not in self.facts:
            return self.who.uses_lock(str(self.facts["lock"]), self.slot)
        return self.who.resumes(str(self.facts["checkout"]), key=self.who.new_key(), method=self.case.method)


@gap("SYS-04.a")
async def test_a_price_change_does_not_reach_a_quote_that_lives(
    system: System, judge: Judge, rng: random.Random, budget: Budget
) -> None:
    people = await system.customers(AT_ONCE)
    axes = {
        "repriced": system.pricing.repricings,
        "price": LIVING,
        "at": (*requests_of_quoted(people[0]), PAID),
        "method": booking_methods(system),
        "currency": one_of_each(system.pricing.currencies, rng),
        "age": (NEW, NEARLY_EXPIRED),
        "served_by": (0, 1),
    }
    sample = Sample(judge, axes, rng, most=budget.rounds, what="price changes", apart=APART)
    for same, group in sample.groups("age", size=AT_ONCE):
        checkouts = [QuotedCheckout(system, *each) for each in zip(people, group, strict=False)]
        began = time.monotonic()
        await together(*(one.quote() for one in checkouts))
        if same.age == NEARLY_EXPIRED:
            await system.clock.advance(system.pricing.price_lock_s - SPARE_S)
        await together(*(one.come_to(one.case.at) for one in checkouts))
        await together(*(one.reprice() for one in checkouts))
        in_time(began, same.age)
        await together(*(one.buy() for one in checkouts))


@gap("SYS-04.c")
async def test_an_expired_quote_is_refused_with_the_new_price(
    system: System, judge: Judge, rng: random.Random, budget: Budget
) -> None:
    people = await system.customers(AT_ONCE)
    axes = {
        "repriced": system.pricing.repricings,
        "price": EXPIRED,
        "at": requests_of_quoted(people[0]),
        "method": booking_methods(system),
        "currency": one_of_each(system.pricing.currencies, rng),
        "late_s": LATE_S,
        "served_by": (0, 1),
    }
    sample = Sample(judge, axes, rng, most=budget.rounds, what="expired quotes", apart=APART)
    for same, group in sample.groups("late_s", size=AT_ONCE):
        checkouts = [QuotedCheckout(system, *each) for each in zip(people, group, strict=False)]
        await together(*(one.quote() for one in checkouts))
        # Begin late, so that a hold lives when the quote has expired.
        await system.clock.advance(system.pricing.price_lock_s - SPARE_S)
        await together(*(one.come_to(one.case.at) for one in checkouts))
        await together(*(one.reprice() for one in checkouts))
        await system.clock.advance(SPARE_S + same.late_s)
        if same.late_s in JOBS_HAVE_RUN and system.offers(JOBS):
            await system.jobs.run_due()
        await together(*(one.be_refused() for one in checkouts))


def requests_of_quoted(who: Customer) -> tuple[str, ...]:
    """The names of the requests of a checkout from the first one that presents the quote."""
    names = requests_of_checkout(who, Slot("any", 1, Money(QUOTED)))
    return names[names.index("begin") :]


def one_of_each(currencies: Mapping[str, int], rng: random.Random) -> Sequence[str]:
    """A currency of each number of decimals."""
    return [
        rng.choice(sorted(code for code, decimals in currencies.items() if decimals == wanted))
        for wanted in sorted(set(currencies.values()))
    ]


def in_time(began: float, age: str) -> None:
    """Raise HarnessError if quotes may have expired because this machine is slow."""
    if age == NEARLY_EXPIRED and (took_s := time.monotonic() - began) > SPARE_S / 2:
        raise HarnessError(f"the requests before the payment took {took_s:.0f} s, too long for a quote")
