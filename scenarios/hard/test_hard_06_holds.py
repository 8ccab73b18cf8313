"""HARD-06: a hold runs out while its payment is under way; the place is kept, or nothing is taken for it."""

from __future__ import annotations

from harness import gap
from harness.explore.actors import Actor
from harness.explore.exploring import Explore
from harness.explore.race import Race, Ran
from harness.oracles.money import nothing_charged
from harness.oracles.places import sold_at_most
from harness.targets.port import Answer
from harness.targets.system import System

_JOB = "expire_holds"
# Longer than any hold, shorter than a price is promised for.
_PAUSE_S = 601


@gap("HARD-06.a")
async def test_a_place_is_kept_while_it_is_paid_for_in_every_order(system: System, explore: Explore) -> None:
    await system.recover()  # what others left is no part of this race
    ana, ben = await system.customers(2)
    await system.hold_deliveries()  # and neither is what the provider tells later

    async def paid() -> Race:
        await system.log_in(ana)
        slot = await system.open_slot(capacity=1)
        steps = ana.checks_out(slot)
        begun = await system.walk(steps, until="pay")

        async def expire_and_book(replica: int) -> Answer:
            await system.advance(_PAUSE_S)
            await system.run_job(_JOB)
            await system.log_in(ben)
            return await system.do(ben.books(slot), replica=replica)

        return Race(
            [steps[-1].build(begun.facts), Actor("sweeper, then ben", "expire, then book", expire_and_book)],
            always=[kept_or_not_charged],
            slots=[slot],
        )

    async def kept_or_not_charged(ran: Ran) -> None:
        state = await system.state(slots=ran.slots)
        sold_at_most(1, ran.told, state=state)
        (answer,) = ran.of("pay")
        if answer.refused:
            nothing_charged(state)

    await explore.interleavings(paid, preemptions=1)
