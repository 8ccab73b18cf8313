"""HARD-04: a refused request is repeated with its key just as a place came free; both get one answer."""

from __future__ import annotations

from overbooked.scenario import Actor, Answer, Explore, Race, Ran, System, gap, one_outcome, sold_at_most


@gap("HARD-04.a")
async def test_a_request_and_its_repeat_get_one_answer_in_every_order(
    system: System, explore: Explore
) -> None:
    ana, ben = await system.customers(2)
    await system.hold_deliveries()  # what the provider tells later is no actor of this race

    async def repeated() -> Race:
        slot = await system.open_slot(capacity=1)
        steps = ben.checks_out(slot, method="declined card")
        begun = await system.walk(steps, until="pay")
        books = ana.books(slot, key=ana.new_key())

        async def free_and_repeat(replica: int) -> Answer:
            await system.do(steps[-1].build(begun.facts), replica=replica)
            return await system.do(books, replica=replica)

        return Race(
            [books, Actor("ben, then ana", "free and repeat", free_and_repeat)],
            always=[one_answer],
            slots=[slot],
        )

    async def one_answer(ran: Ran) -> None:
        one_outcome(ran.told)
        sold_at_most(1, state=await system.state(slots=ran.slots))

    await explore.interleavings(repeated, preemptions=1)
