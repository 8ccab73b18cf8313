"""SYS-04: what was quoted is what is charged, while the quote lives; and a quote serves one booking."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from overbooked.scenario import (
    Answer,
    Budget,
    Faults,
    Judge,
    Money,
    Played,
    Races,
    Round,
    System,
    accepted,
    charged,
    gap,
    losers_are_told,
    money,
    new_price_told,
    nothing_charged,
    paid_bookings,
    properties,
    refused_with,
)

_QUOTED = Money(2500)
_RAISED = Money(3100)
# How often one burst of the largest size sold one price lock twice on the mutant that lets it.
_SEEN_IN_ONE_ROUND = 0.9


@gap("SYS-04.a")
async def test_a_price_change_does_not_reach_a_quote_that_lives(system: System, judge: Judge) -> None:
    (ana,) = await system.customers(1)
    for way in system.repricings:
        for moment in ("begin", "pay"):
            slot = await system.open_slot(price=_QUOTED, private_venue=True)
            steps = ana.checks_out(slot)
            before = await system.walk(steps, until=moment)
            await system.reprice(slot, way, _RAISED)
            after = await system.walk(steps, facts=before.facts, since=moment)
            accepted(after.last, f"a quote did not survive a change by {way} before {moment}")
            charged(await system.state(slots=[slot]), after.facts["checkout"], before.facts["price"])
            judge.count("price changes")


@gap("SYS-04.b")
async def test_the_charge_equals_the_quote_to_the_minor_unit(
    system: System, judge: Judge, budget: Budget, seed: int
) -> None:
    (ana,) = await system.customers(1)

    async def buys(example: tuple[Money, Decimal, str]) -> None:
        price, percent, rounding = example
        slot = await system.open_priced_slot(price=price, percent=percent, rounding=rounding)
        bought = await system.walk(ana.checks_out(slot))
        accepted(bought.last, "a quoted price could not be paid")
        charged(await system.state(slots=[slot]), bought.facts["checkout"], bought["quote"].facts["price"])

    plain = st.tuples(money.amounts_floats_fall_short_of(), st.just(Decimal(0)))
    moved = st.tuples(money.amounts(least=100, most=5_000_000), money.percentages())
    prices = st.builds(
        lambda priced, rounding: (*priced, rounding),
        st.one_of(plain, moved),
        st.sampled_from(system.roundings),
    )
    await properties.check(prices, buys, examples=budget.examples, seed=seed, judge=judge)


@gap("SYS-04.c")
async def test_an_expired_quote_is_refused_with_the_new_price(system: System, judge: Judge) -> None:
    (ana,) = await system.customers(1)
    for moment in ("begin", "pay"):
        slot = await system.open_slot(price=_QUOTED, private_venue=True)
        steps = ana.checks_out(slot)
        before = await system.walk(steps, until=moment)
        await system.reprice(slot, system.repricings[0], _RAISED)
        await system.advance(system.price_lock_s + 1)
        await system.log_in(ana)  # the token is no older than the quote
        answer = (await system.walk(steps, facts=before.facts, since=moment)).last
        refused_with(answer, 409)
        new_price_told(answer, _RAISED)
        nothing_charged(await system.state(slots=[slot]))
        judge.count("expired quotes")


@gap("SYS-04.d")
async def test_a_quote_serves_one_booking_of_its_own_slot_and_customer(system: System, judge: Judge) -> None:
    ana, ben = await system.customers(2)
    slot, elsewhere = await system.open_slot(capacity=5), await system.open_slot(capacity=5)

    quote = await system.walk(ana.checks_out(slot), until="begin")
    lock = str(quote.facts["lock"])
    for attempt in (
        ana.uses_lock(lock, elsewhere),
        ben.uses_lock(lock, slot),
        ben.uses_lock(lock, elsewhere),
    ):
        refused_with(await system.do(attempt), 403, 404, 409)
        judge.count("wrong uses")
    nothing_charged(await system.state(slots=[slot, elsewhere]))

    bought = await system.walk(ana.checks_out(slot), facts=quote.facts, since="begin")
    accepted(bought.last, "a quote refused to others no longer served its owner")
    for attempt in (ana.uses_lock(lock, slot), ana.uses_lock(lock, elsewhere), ben.uses_lock(lock, slot)):
        refused_with(await system.do(attempt), 403, 404, 409)
        judge.count("wrong uses")
    paid_bookings(await system.state(slots=[slot, elsewhere]), 1)


@gap("SYS-04.e")
async def test_many_checkouts_at_once_present_one_quote(
    system: System, races: Races, faults: Faults, judge: Judge, budget: Budget
) -> None:
    (ana,) = await system.customers(1)

    async def many_tabs(_: int) -> Round:
        slot = await system.open_slot(capacity=budget.burst)
        quote = await system.walk(ana.checks_out(slot), until="begin")
        lock = str(quote.facts["lock"])
        return Round(
            actions=[ana.uses_lock(lock, slot) for _ in range(budget.burst)],
            slots=[slot],
            facts={"price": quote.facts["price"]},
        )

    async def one_is_served(played: Played) -> None:
        (slot,) = played.slots
        losers_are_told(played.answers, 409)
        begun = [str(answer.facts["checkout"]) for answer in played.answers if answer.ok]
        paid: list[Answer] = await races.burst([ana.resumes(one, key=ana.new_key()) for one in begun])
        losers_are_told(paid, 409)
        state = await system.state(slots=[slot])
        paid_bookings(state, 1)
        charged(state, begun[[answer.ok for answer in paid].index(True)], played.facts["price"])

    async with faults.widened("app->postgres", ms=2, jitter_ms=2):
        await races.rounds(max(1, budget.rounds // 4), many_tabs, one_is_served, detects=_SEEN_IN_ONE_ROUND)
