"""SYS-02: a session that ends while a payment is in flight leaves one booking and one charge."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest

from overbooked.capabilities.pricing import PRICING
from overbooked.scenario import (
    AUTHORISED,
    CAPTURED,
    Answer,
    Budget,
    Customer,
    Faults,
    HarnessError,
    Judge,
    Money,
    PaymentInFlight,
    Sample,
    System,
    accepted,
    booking_methods,
    gap,
    is_bought,
    no_refusal_after_capture,
    reach_their_moments,
    refused_with,
    same_answer,
    settles_later,
)

QUOTED = Money(2500)
# The price after the session has ended: a mistake would charge it.
PRICES = (Money(3100), Money(1900), Money(25_000))
# A payment is captured, and the provider's answer never arrives.
ANSWER_LOST = "answer lost"
# The customer pays again while the first request is still in flight, or after its answer.
PAYS_AGAIN = ("in flight", "answered")
# Idempotency key of the payment in flight that is repeated.
KEYS = ("same key", "new key")
# Latency of the link to the provider in ms, so that the session can end while a payment is in flight.
IN_FLIGHT_MS = 1000
# Payments in flight at a time, each of its own customer, and payments that one kill cuts short.
AT_ONCE = 8
CUT_AT_ONCE = 4
# What a payment has come to when it is cut short: it never reaches the provider, or its answer is lost.
UNSENT = "unsent"
CUT_SHORT = (UNSENT, AUTHORISED, CAPTURED)
# Tries of a payment that is answered too early.
TRIES = 3


@gap("SYS-02.d")
@pytest.mark.usefixtures("held_deliveries")  # a webhook would complete the payment
async def test_a_payment_in_flight_outlives_its_session(
    system: System, faults: Faults, judge: Judge, rng: random.Random, budget: Budget
) -> None:
    axes: dict[str, Sequence[Any]] = {
        "way": system.sessions.endings,
        "moment": (AUTHORISED, CAPTURED, ANSWER_LOST),
        "method": booking_methods(system),
        "pays_again": PAYS_AGAIN,
        "key": KEYS,
    }
    sample = Sample(judge, axes, rng, most=budget.rounds, what="payments in flight")
    by_clock = system.sessions.endings[0]

    def moment(case: Any) -> str:
        # A payment that settles later is not captured in flight.
        return AUTHORISED if settles_later(system, case.method) else str(case.moment)

    def alone(case: Any) -> bool:
        # The clock ends every session when it ends one.
        return bool(case.way == by_clock and moment(case) != ANSWER_LOST)

    for same, group in sample.groups(alone, moment, size=AT_ONCE):
        people = await system.customers(len(group))  # whose one session is the one that ends
        lost = moment(same) == ANSWER_LOST
        flying = list(zip(people, group, strict=True))
        answered = await in_flight(system, faults, rng, flying, lost=lost)
        for payment, answers in answered:
            state = await system.state(slots=[payment.slot])
            for answer in answers:
                no_refusal_after_capture(answer, state)
        await is_made_once(system, answered)


@gap("SYS-02.b")
@pytest.mark.parametrize("moment", CUT_SHORT)
@pytest.mark.usefixtures("held_deliveries")  # a webhook would complete the interrupted payment
async def test_a_payment_cut_short_is_resumed_after_a_401(
    system: System, faults: Faults, judge: Judge, rng: random.Random, moment: str
) -> None:
    people = await system.customers(CUT_AT_ONCE)
    methods = [
        method
        for method in booking_methods(system)
        if moment != CAPTURED or not settles_later(system, method)
    ]
    ways = system.sessions.endings
    payments = await cut_short(system, faults, people, methods, moment)
    for payment, way in zip(payments, rng.sample(list(ways), len(ways)), strict=False):
        await system.sessions.log_in(payment.who)
        await system.sessions.end_session(payment.who, way)
        await reprice(system, payment, rng)
        refused_with(await payment.pay(), 401)
        judge.count("payments cut short")
    await is_made_once(system, [(payment, ()) for payment in payments])


# -- shared by these scenarios -------------------------------------------------------------------------


async def in_flight(
    system: System,
    faults: Faults,
    rng: random.Random,
    flying: Sequence[tuple[Customer, Any]],
    *,
    lost: bool,
) -> list[tuple[PaymentInFlight, Sequence[Answer]]]:
    """Pay, and end each session while its payment is in flight; return the answers.

    A payment that was answered too early is made again, on another slot.

    Args:
        lost: the provider's answers after that moment are lost, for longer than the service waits.
    """
    answered: list[tuple[PaymentInFlight, Sequence[Answer]]] = []
    for _ in range(TRIES):
        payments = [
            await PaymentInFlight.begin(
                system, who, price=QUOTED, method=case.method, moment=CAPTURED if lost else case.moment
            )
            for who, case in flying
        ]
        async with faults.latency("app->payments", ms=IN_FLIGHT_MS):
            reached = asyncio.create_task(reach_their_moments(system, payments))
            ending = asyncio.gather(
                *(ended_in_flight(system, *each, rng) for each in zip(payments, flying, strict=True))
            )
            await reached
            async with faults.timeout("app->payments") if lost else nullcontext():
                ended = await ending
        answered += [(one, answers) for one, answers in zip(payments, ended, strict=True) if answers]
        flying = [each for each, answers in zip(flying, ended, strict=True) if not answers]
        if not flying:
            return answered
        for who, _ in flying:
            await system.sessions.log_in(who)
    raise HarnessError(f"{len(flying)} payments were answered before their session had ended")


async def ended_in_flight(
    system: System, payment: PaymentInFlight, flying: tuple[Customer, Any], rng: random.Random
) -> list[Answer]:
    """Pay, and end the session in flight; returns the answers to the payment, none if it came too early."""
    who, case = flying
    paying = asyncio.create_task(payment.pay())
    await payment.reached.wait()
    await system.sessions.end_session(who, case.way)
    if paying.done():
        await paying
        return []
    await reprice(system, payment, rng)
    answers = []
    if case.pays_again == "in flight":
        await system.sessions.log_in(who)
        same = case.key == "same key"
        again = await payment.pay(key="" if same else who.new_key(), replica=1)
        answers = [again] if same else []  # with another key it is another request, with another answer
    return [await paying, *answers]


async def cut_short(
    system: System, faults: Faults, people: Sequence[Customer], methods: Sequence[str], moment: str
) -> list[PaymentInFlight]:
    """Cut several payments short at a moment: the link to the provider breaks, or the service is killed."""
    payments = [
        await PaymentInFlight.begin(
            system, who, price=QUOTED, method=methods[n % len(methods)], moment=moment
        )
        for n, who in enumerate(people)
    ]
    if moment == UNSENT:
        async with faults.down("app->payments"):
            answers = await asyncio.gather(*(payment.pay() for payment in payments))
    else:
        async with faults.latency("app->payments", ms=IN_FLIGHT_MS):
            paying = [asyncio.create_task(payment.pay()) for payment in payments]
            await reach_their_moments(system, payments)
            async with faults.killed("app"):
                answers = await asyncio.gather(*paying)
    # One that was answered before the kill is no payment that was cut short.
    cut = [payment for payment, answer in zip(payments, answers, strict=True) if answer.unknown]
    if len(cut) < len(methods):
        raise HarnessError(f"{len(cut)} of {len(payments)} payments were cut short")
    return cut


async def reprice(system: System, payment: PaymentInFlight, rng: random.Random) -> None:
    """Change the price of the slot in one of the ways that the target knows, if it knows any."""
    if system.offers(PRICING):
        way, price = rng.choice(system.pricing.repricings), rng.choice(PRICES)
        await system.pricing.reprice(payment.slot, way, price)


async def is_made_once(system: System, answered: Sequence[tuple[PaymentInFlight, Sequence[Answer]]]) -> None:
    """After a fresh login each payment is made once, at the quoted price, whoever asks and is told of it."""
    told = {}
    for payment, answers in answered:
        again = await payment.insist()
        accepted(again, "a payment that a login interrupted cannot be repeated with its key")
        for answer in answers:
            if answer.ok:
                same_answer(answer, again)
        if not settles_later(system, payment.method):
            refused_with(await payment.pay(key=payment.who.new_key(), replica=1), 409)
        told[payment.key] = [*payment.before.answers.values(), *answers, again]
    await system.webhooks.hold_deliveries(False)
    for payment, _ in answered:
        await system.sessions.log_in(payment.who)
        answers = told[payment.key]
        await is_bought(system, payment.who, payment.slot, answers, payment.facts, payment.method)
    await system.webhooks.hold_deliveries(True)
