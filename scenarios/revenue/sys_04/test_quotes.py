"""SYS-04: a quote keeps its price during concurrent price changes, and serves one booking."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import pytest

from overbooked.scenario import (
    Action,
    Actor,
    Answer,
    Budget,
    Bursts,
    Customer,
    Explorer,
    Judge,
    Money,
    Races,
    System,
    charged,
    gap,
    nothing_charged,
    others_refused,
    paid_bookings,
    price_kept,
    quoted_price,
    sold_at_most,
)

QUOTED = Money(2500)
# The price that a mistake would charge.
PRICES = (Money(3100), Money(1900), Money(25_000))
# Which request of a checkout the change of the price meets.
MOMENTS = ("quote", "begin", "pay")
# For which slots two tabs present one price lock at the same time.
TWO = ("one slot", "two slots")
# Rounds of a night, in which every way of repricing is raced; else the first, and one that the seed draws.
ROUNDS_OF_EVERY_WAY = 100
# The measured probability that one burst of the largest size uses one price lock twice on the mutant.
DETECTS = 0.9

# Tabs of a race that is explored; more are a burst, and the price changes before it.
SMALL = 2

pytestmark = pytest.mark.usefixtures("held_deliveries")
Pay = Callable[[Sequence[Action]], Awaitable[Sequence[Answer]]]


async def repriced(system: System, judge: Judge, ana: Customer, moment: str, way: str, price: Money) -> Races:
    """An operator changes the price while a customer takes the step `moment` of a quoted checkout."""

    async def reprice(_: int) -> None:
        await system.pricing.reprice(slot, way, price)

    while True:
        slot = await system.open_slot(price=QUOTED, private_venue=True)
        steps = ana.checks_out(slot)
        before = await system.walk(steps, until=moment)
        at = [step.name for step in steps].index(moment)
        ran = yield [steps[at].build(before.facts), Actor("operator", "reprice", reprice)]
        answers = [*before.answers.values(), *ran.answers]
        known = {**before.facts, **ran.answers[0].facts}
        if answers[-1].ok and (rest := steps[at + 1 :]):
            walked = await system.walk(rest, facts=known)
            answers, known = [*answers, *walked.answers.values()], dict(walked.facts)
        state = await system.state(slots=[slot])
        with judge("SYS-04.f"):
            if answers[-1].ok:
                price_kept(answers, quoted_price(answers))
                charged(state, str(known["checkout"]), quoted_price(answers))
            else:
                others_refused(answers[-1:], 409)
                nothing_charged(state)


async def presented(system: System, judge: Judge, ana: Customer, tabs: int, at: str, pay: Pay) -> Races:
    """One quote is presented several times; its price has changed meanwhile."""
    ways, turn = system.pricing.repricings, 0
    while True:
        slot = await system.open_slot(price=QUOTED, capacity=tabs, private_venue=tabs > SMALL)
        slots = [slot, await system.open_slot(price=PRICES[1])] if at == "two slots" else [slot]
        quote = await system.walk(ana.checks_out(slot), until="begin")
        if tabs > SMALL:
            await system.pricing.reprice(slot, ways[turn % len(ways)], PRICES[turn % len(PRICES)])
            turn += 1
        lock = str(quote.facts["lock"])
        ran = yield [ana.uses_lock(lock, slots[n % len(slots)]) for n in range(tabs)]
        with judge("SYS-04.e", "SYS-04.f"):
            others_refused(ran.answers, 409)
            begun = [answer for answer in ran.answers if answer.ok]
            price_kept(begun, quote["quote"].facts["price"])
            paid = await pay([ana.resumes(str(one.facts["checkout"]), key=ana.new_key()) for one in begun])
            others_refused(paid, 409)
            state = await system.state(slots=slots)
            paid_bookings(state, 1)
            sold = begun[[answer.ok for answer in paid].index(True)]
            charged(state, str(sold.facts["checkout"]), quote["quote"].facts["price"])
            for other in slots[1:]:
                sold_at_most(0, state=state, slot=other)


@gap("SYS-04.f")
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_price_change_does_not_reach_a_quote_in_any_order(
    system: System,
    explorer: Explorer,
    judge: Judge,
    ana: Customer,
    rng: random.Random,
    budget: Budget,
    moment: str,
) -> None:
    ways = list(system.pricing.repricings)
    first = ways[:1] if moment != "pay" else []
    drawn = ways if budget.rounds >= ROUNDS_OF_EVERY_WAY else first + rng.sample(ways[len(first) :], 1)
    judge.note("raced ways of repricing", f"{', '.join(drawn)}; {len(drawn)} of {len(ways)}")
    for way in drawn:
        await explorer.explore(repriced, system, judge, ana, moment, way, rng.choice(PRICES))


@gap("SYS-04.f")
@pytest.mark.parametrize("at", TWO)
async def test_a_quote_presented_twice_serves_one_booking_in_every_order(
    system: System, explorer: Explorer, judge: Judge, ana: Customer, at: str
) -> None:
    await explorer.explore(presented, system, judge, ana, SMALL, at, in_turn(system))


@gap("SYS-04.e")
@pytest.mark.usefixtures("slow_statements")
async def test_many_checkouts_at_once_present_one_quote(
    system: System, bursts: Bursts, judge: Judge, ana: Customer, budget: Budget
) -> None:
    rounds, tabs = max(1, budget.rounds // 4), budget.burst
    await bursts.play(
        presented, system, judge, ana, tabs, "one slot", bursts.burst, rounds=rounds, detects=DETECTS
    )


def in_turn(system: System) -> Pay:
    """Pay one checkout after another."""

    async def pay(actions: Sequence[Action]) -> Sequence[Answer]:
        return [await system.do(action) for action in actions]

    return pay
