"""SYS-02: a session that ends in mid-checkout costs neither the place, nor the price, nor a second charge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import pytest

from overbooked.scenario import (
    Action,
    Answer,
    Faults,
    HarnessError,
    Judge,
    Person,
    Slot,
    System,
    accepted,
    charged,
    charged_once,
    gap,
    no_refusal_after_capture,
    nothing_changed,
    paid_bookings,
    refused_with,
    same_answer,
    survives,
    until,
)

STEPS = ("quote", "begin", "details", "pay")
# A client that is told to wait tries again; the lease of whoever died meanwhile has run out by then.
_LATER_S = 60
_TRIES = 5
# How much the link to the provider is slowed, so that there is time while a payment is in flight.
_IN_FLIGHT_MS = 1000
AUTHORISED, CAPTURED = "authorised", "captured"


def ways_to_end_it(system: System) -> Mapping[str, Callable[[Person], Awaitable[None]]]:
    return {"expired": system.expire_access, "revoked": system.revoke_session}


@gap("SYS-02.a", "SYS-02.b")
@pytest.mark.parametrize("way", ["expired", "revoked"])
async def test_a_checkout_survives_a_401_and_is_resumed(system: System, judge: Judge, way: str) -> None:
    (ana,) = await system.customers(1)
    for step in STEPS:
        slot = await system.open_slot(capacity=2)
        steps = ana.checks_out(slot)
        before = await system.walk(steps, until=step)
        await ways_to_end_it(system)[way](ana)
        interrupted = (await system.walk(steps, facts=before.facts, since=step)).last
        await system.log_in(ana)
        with judge("SYS-02.a"):
            refused_with(interrupted, 401)
            if "checkout" in before.facts:
                survives(await system.do(ana.reads(before.facts["checkout"])), before.facts)
        with judge("SYS-02.b"):
            after = await system.walk(ana.checks_out(slot), facts=before.facts, since=step)
            await bought_once(system, slot, {**before.facts, **after.facts}, after.last)
        judge.count("interrupted requests")


@gap("SYS-02.b")
@pytest.mark.parametrize("way", ["expired", "revoked"])
async def test_a_payment_cut_short_is_resumed_after_a_401(
    system: System, faults: Faults, judge: Judge, way: str
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()  # a webhook in time would finish what the service left half done
    slot = await system.open_slot(capacity=2)
    key = ana.new_key()
    before = await system.walk(ana.checks_out(slot, key=key), until="pay")
    # The money is taken, and the service dies before it can say so.
    async with faults.latency("app->provider", ms=_IN_FLIGHT_MS):
        paying = asyncio.create_task(system.do(ana.resumes(before.facts["checkout"], key=key)))
        await until(lambda: charge_is(CAPTURED, system, slot), "the money is taken")
        async with faults.killed("app"):
            cut_short = await paying
    if not cut_short.unknown:
        raise HarnessError(f"the payment was to be cut short and was answered {cut_short.status}")
    await ways_to_end_it(system)[way](ana)
    refused_with(await system.do(ana.resumes(before.facts["checkout"], key=key)), 401)
    await system.log_in(ana)
    answer = await insisting(system, ana.resumes, str(before.facts["checkout"]), key)
    await bought_once(system, slot, before.facts, answer)
    judge.count("payments cut short")


@gap("SYS-02.c")
@pytest.mark.parametrize("way", ["expired", "revoked"])
async def test_nobody_else_gets_at_an_interrupted_checkout(system: System, judge: Judge, way: str) -> None:
    ana, eve = await system.customers(2)
    for step in STEPS:
        slot = await system.open_slot(capacity=2)
        steps = ana.checks_out(slot)
        before = await system.walk(steps, until=step)
        await ways_to_end_it(system)[way](ana)
        await system.walk(steps, facts=before.facts, since=step)
        await system.log_in(eve)
        was = await system.state(slots=[slot])
        async for attempt in everything_eve_can_do(eve, slot, before.facts):
            refused_with(await system.do(attempt), 403, 404)
            judge.count("attempts")
        nothing_changed(was, await system.state(slots=[slot]))
        await system.log_in(ana)
        if "checkout" in before.facts:
            survives(await system.do(ana.reads(before.facts["checkout"])), before.facts)


@gap("SYS-02.d")
@pytest.mark.parametrize("way", ["expired", "revoked"])
async def test_a_payment_in_flight_outlives_its_session(
    system: System, faults: Faults, judge: Judge, way: str
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()
    for moment in (AUTHORISED, CAPTURED):
        slot = await system.open_slot(capacity=2)
        key = ana.new_key()
        before = await system.walk(ana.checks_out(slot, key=key), until="pay")
        async with faults.latency("app->provider", ms=_IN_FLIGHT_MS):
            paying = asyncio.create_task(system.do(ana.resumes(before.facts["checkout"], key=key)))
            await until(partial(charge_is, moment, system, slot), f"the card is {moment}")
            await ways_to_end_it(system)[way](ana)
            if paying.done():
                raise HarnessError("the payment was answered before its session had ended")
            answer = await paying
        no_refusal_after_capture(answer, await system.state(slots=[slot]))
        await system.log_in(ana)
        again = await insisting(system, ana.resumes, str(before.facts["checkout"]), key)
        if answer.ok:
            same_answer(answer, again)
        await bought_once(system, slot, before.facts, again)
        judge.count("payments in flight")


# -- what these scenarios share ----------------------------------------------------------------------


async def bought_once(system: System, slot: Slot, facts: Mapping[str, Any], answer: Answer) -> None:
    """One booking and one charge, at the price that was quoted."""
    accepted(answer, "a checkout could not be resumed after a fresh login")
    state = await system.state(slots=[slot])
    charged_once(state)
    charged(state, str(facts["checkout"]), facts["price"])
    paid_bookings(state, 1)


async def insisting(system: System, pays: Callable[..., Action], checkout: str, key: str) -> Answer:
    """The first conclusive answer of a client who tries again, later, while he is told nothing."""
    answer = await system.do(pays(checkout, key=key))
    for _ in range(_TRIES):
        if not answer.unknown:
            break
        await system.advance(_LATER_S)
        answer = await system.do(pays(checkout, key=key))
    return answer


async def charge_is(moment: str, system: System, slot: Slot) -> bool:
    """Whether the provider has authorised, or captured, what is paid for the slot."""
    charges = (await system.state(slots=[slot])).charges
    return any(charge.captured_minor > 0 or moment == AUTHORISED for charge in charges)


async def everything_eve_can_do(eve: Person, slot: Slot, facts: Mapping[str, Any]) -> AsyncIterator[Any]:
    """Read, resume and pay what is not hers, by whatever she may have got hold of."""
    if "lock" in facts:
        yield eve.uses_lock(str(facts["lock"]), slot)
    if "checkout" in facts:
        checkout = str(facts["checkout"])
        yield eve.reads(checkout)
        yield eve.resumes(checkout, key=eve.new_key())
        for step in eve.checks_out(slot):
            if step.name == "details":
                yield step.build(facts)
