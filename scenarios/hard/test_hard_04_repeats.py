"""HARD-04: a refused request is repeated with its key after a place became free; both get the same answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from overbooked.scenario import (
    Actor,
    Answer,
    Customer,
    Explorer,
    Judge,
    Races,
    System,
    gap,
    one_outcome,
    sold_at_most,
)


async def repeated(system: System, judge: Judge, people: Sequence[Customer]) -> Races:
    """A customer books while another frees the place and then the booking request is repeated."""

    async def free_and_repeat(replica: int) -> Answer:
        await system.do(fails, replica=replica)
        return await system.do(books, replica=replica)

    ana, ben = people
    while True:
        slot = await system.open_slot(capacity=1)
        steps = ben.checks_out(slot, method="declined card")
        fails = steps[-1].build((await system.walk(steps, until="pay")).facts)
        books = ana.books(slot, key=ana.new_key())
        ran = yield [books, Actor("ben, then ana", "free and repeat", free_and_repeat)]
        with judge("HARD-04.a"):
            one_outcome(ran.answers)
            sold_at_most(1, state=await system.state(slots=[slot]))


@gap("HARD-04.a")
@pytest.mark.usefixtures("held_deliveries")  # deliveries are not actors of this race
async def test_a_request_and_its_repeat_get_one_answer_in_every_order(
    system: System, explorer: Explorer, judge: Judge
) -> None:
    await explorer.explore(repeated, system, judge, await system.customers(2), preemptions=1)
