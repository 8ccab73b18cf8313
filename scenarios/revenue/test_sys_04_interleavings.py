"""SYS-04: prices change and quotes are presented twice, in every order of the statements."""

from __future__ import annotations

import pytest

from overbooked.scenario import (
    Actor,
    Explore,
    Money,
    Race,
    Ran,
    System,
    charged,
    gap,
    losers_are_told,
    nothing_charged,
    paid_bookings,
)

_QUOTED = Money(2500)
_RAISED = Money(3100)


@gap("SYS-04.f")
@pytest.mark.parametrize("moment", ["begin", "pay"])
async def test_a_price_change_does_not_reach_a_quote_in_any_order(
    system: System, explore: Explore, moment: str
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()  # what the provider tells later is no actor of these races

    async def repriced() -> Race:
        slot = await system.open_slot(price=_QUOTED, private_venue=True)
        steps = ana.checks_out(slot)
        before = await system.walk(steps, until=moment)
        at = [step.name for step in steps].index(moment)

        async def reprice(_: int) -> None:
            await system.reprice(slot, system.repricings[0], _RAISED)

        return Race(
            [steps[at].build(before.facts), Actor("operator", "reprice", reprice)],
            always=[charged_as_quoted_or_not_at_all],
            slots=[slot],
            facts={"known": before.facts, "rest": steps[at + 1 :]},
        )

    async def charged_as_quoted_or_not_at_all(ran: Ran) -> None:
        (answer,) = ran.told
        known = {**ran.facts["known"], **answer.facts}
        if answer.ok and ran.facts["rest"]:
            walked = await system.walk(ran.facts["rest"], facts=known)
            answer, known = walked.last, dict(walked.facts)
        state = await system.state(slots=ran.slots)
        if answer.ok:
            charged(state, str(known["checkout"]), ran.facts["known"]["price"])
        else:
            losers_are_told([answer], 409)
            nothing_charged(state)

    await explore.interleavings(repriced)


@gap("SYS-04.f")
@pytest.mark.parametrize("tabs", [2, 3])
async def test_a_quote_presented_by_several_tabs_serves_one_booking_in_every_order(
    system: System, explore: Explore, tabs: int
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()

    async def presented() -> Race:
        slot = await system.open_slot(price=_QUOTED, capacity=tabs)
        quote = await system.walk(ana.checks_out(slot), until="begin")
        lock = str(quote.facts["lock"])
        return Race(
            [ana.uses_lock(lock, slot) for _ in range(tabs)],
            always=[one_is_served],
            slots=[slot],
            facts={"price": quote.facts["price"]},
        )

    async def one_is_served(ran: Ran) -> None:
        losers_are_told(ran.told, 409)
        begun = [str(answer.facts["checkout"]) for answer in ran.told if answer.ok]
        paid = [await system.do(ana.resumes(one, key=ana.new_key())) for one in begun]
        losers_are_told(paid, 409)
        state = await system.state(slots=ran.slots)
        paid_bookings(state, 1)
        charged(state, begun[[answer.ok for answer in paid].index(True)], ran.facts["price"])

    await explore.interleavings(presented)
