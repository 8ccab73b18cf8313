"""WAIT-01: a customer waits once."""

from __future__ import annotations

from overbooked.capabilities.waitlist import WAITLIST

from overbooked.scenario import Judge, System, accepted, gap, nothing_changed, refused_with


@gap("WAIT-01.a", "WAIT-01.b")
async def test_a_customer_that_joins_twice_waits_once(system: System, judge: Judge) -> None:
    (ana,) = await system.customers(1)
    slot = await system.open_slot()
    accepted(await system.do(system[WAITLIST].join(ana, slot)))
    before = await system.state(slots=[slot])
    again = await system.do(system[WAITLIST].join(ana, slot))
    judge.count("journeys")
    with judge("WAIT-01.a"):
        nothing_changed(before, await system.state(slots=[slot]))
    with judge("WAIT-01.b"):
        refused_with(again, 409)
