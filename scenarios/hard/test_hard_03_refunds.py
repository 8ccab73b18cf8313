"""HARD-03: refunds are sent while more of them are being written; none is passed over for good."""

from __future__ import annotations

import asyncio

from overbooked.scenario import (
    Actor,
    Answer,
    Explore,
    Race,
    Ran,
    Slot,
    System,
    TargetFailed,
    buys,
    gap,
    money_matches_bookings,
)

_JOB = "send_outbox"
# To buy takes longer than to cancel: places are bought so many at a time.
_AHEAD = 8


@gap("HARD-03.a")
async def test_every_refund_is_sent_in_every_order(system: System, explore: Explore) -> None:
    await system.recover()  # what others left is no part of this race
    people = await system.customers(2)
    ana, ben = people
    await system.hold_deliveries()  # and neither is what the provider tells later
    bought: list[tuple[Slot, str, Slot, str]] = []

    async def buy() -> tuple[Slot, str, Slot, str]:
        slots = await asyncio.gather(system.open_slot(), system.open_slot())
        purchases = await asyncio.gather(*(buys(system, *one) for one in zip(people, slots, strict=True)))
        one, other = (purchase.booking for purchase in purchases)
        if one is None or other is None:
            raise TargetFailed(f"two places had to be bought: {purchases}")
        return slots[0], one, slots[1], other

    async def cancelled() -> Race:
        if not bought:
            await asyncio.gather(*map(system.log_in, people))  # many races outlast an access token
            bought.extend(await asyncio.gather(*(buy() for _ in range(_AHEAD))))
            await system.run_job(_JOB)  # what was announced of them is out
        first, one, second, other = bought.pop()

        async def cancel_and_send(replica: int) -> Answer:
            answer = await system.do(ben.cancels(other), replica=replica)
            await system.run_job(_JOB)
            return answer

        return Race(
            [ana.cancels(one), Actor("ben, then outbox", "cancel, then send", cancel_and_send)],
            always=[both_are_paid_back],
            slots=[first, second],
        )

    async def both_are_paid_back(ran: Ran) -> None:
        await system.run_job(_JOB)
        money_matches_bookings(await system.state(slots=ran.slots))

    await explore.interleavings(cancelled, preemptions=1)
