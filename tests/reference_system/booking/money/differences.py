"""Plants differences between provider and service, and checks that they agree again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import psycopg

from tests.reference_system.booking.money.till import Begun, Till

HOUR_S = 3600.0
DAY_S = 86_400.0

Forger = psycopg.AsyncConnection[Any]
Plant = Callable[[Till, Forger], Awaitable[Begun]]


async def reconcile(till: Till) -> list[tuple[str, str, str]]:
    """Run reconciliation; returns (subject, kind, action) of each finding."""
    report = await till.house.run_job("reconcile")
    return [(one["subject"], one["kind"], one["action"]) for one in report["findings"]]


async def fabricate(till: Till, begun: Begun, amount: str = "19.99") -> dict[str, Any]:
    made: dict[str, Any] = await till.provider.control(
        "/intents", amount=amount, currency="EUR", metadata={"checkout_id": begun.id}
    )
    return made


# -- planting: each makes one purchase differ in one way --------------------------------------------


async def captured_there_place_held(till: Till, _: Forger) -> Begun:
    begun = await till.begin()
    await fabricate(till, begun)
    return begun


async def captured_there_place_free(till: Till, _: Forger) -> Begun:
    begun = await till.begin()
    await till.move_clock(700)
    await till.house.run_job("expire_holds")
    await fabricate(till, begun)
    return begun


async def captured_there_place_taken(till: Till, _: Forger) -> Begun:
    begun = await till.begin()
    await till.lose_place(begun)
    await fabricate(till, begun)
    return begun


async def not_captured_there(till: Till, _: Forger, until_s: float = DAY_S) -> Begun:
    begun = await till.bought()
    await till.deliver_all(begun)
    charge = await till.charge(begun)
    now = (await till.provider.http.get("/_control/clock")).json()["now"]
    await till.provider.patch(
        charge["id"],
        status="requires_capture",
        amount_captured="0.00",
        captures=0,
        authorized_until=now + until_s,
    )
    return begun


async def lapsed_there(till: Till, forger: Forger) -> Begun:
    return await not_captured_there(till, forger, -HOUR_S)


async def refunded_there(till: Till, _: Forger) -> Begun:
    begun = await till.bought()
    charge = await till.charge(begun)
    await till.provider.control(f"/intents/{charge['id']}/refund", amount="5.00")
    return begun


async def refunded_here(till: Till, forger: Forger) -> Begun:
    begun, refund, posted = await till.bought(), uuid4(), uuid4()
    payment = await payment_of(forger, begun)
    await forger.execute(
        "INSERT INTO refunds (id, payment_id, amount_minor, state, reason, created_at) "
        "VALUES (%s, %s, 500, 'succeeded', 'goodwill', now())",
        (refund, payment),
    )
    await forger.execute(
        "UPDATE payments SET state = 'partially_refunded', refunded_minor = 500 WHERE id = %s", (payment,)
    )
    await post(forger, posted, "refund", str(refund), payment, -500)
    return begun


async def another_amount(till: Till, _: Forger) -> Begun:
    begun = await till.bought()
    await till.provider.patch((await till.charge(begun))["id"], amount="20.99", amount_captured="20.99")
    return begun


async def captured_twice(till: Till, _: Forger) -> Begun:
    begun = await till.bought()
    await fabricate(till, begun)
    return begun


async def recorded_twice(till: Till, forger: Forger) -> Begun:
    begun = await till.bought()
    await post(forger, uuid4(), "capture", f"again {begun.id}", await payment_of(forger, begun), 1999)
    return begun


async def not_in_ledger(till: Till, forger: Forger) -> Begun:
    begun = await till.bought()
    payment = await payment_of(forger, begun)
    await forger.execute(
        "DELETE FROM ledger_entries WHERE transaction_id IN "
        "(SELECT id FROM ledger_transactions WHERE payment_id = %s)",
        (payment,),
    )
    await forger.execute("DELETE FROM ledger_transactions WHERE payment_id = %s", (payment,))
    return begun


async def orphan_hold(till: Till, forger: Forger) -> Begun:
    begun = await till.begin()
    await forger.execute("UPDATE checkouts SET state = 'declined' WHERE id = %s", (begun.id,))
    return begun


async def payment_of(forger: Forger, begun: Begun) -> Any:
    found = await forger.execute("SELECT id FROM payments WHERE checkout_id = %s", (begun.id,))
    row = await found.fetchone()
    assert row is not None
    return row[0]


async def post(
    forger: Forger, posted: object, kind: str, reference: str, payment: object, minor: int
) -> None:
    async with forger.transaction():
        await forger.execute(
            "INSERT INTO ledger_transactions (id, kind, reference, payment_id, created_at) "
            "VALUES (%s, %s, %s, %s, now())",
            (posted, kind, reference, payment),
        )
        await forger.execute(
            "INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency) VALUES "
            "(%s, 'provider_receivable', %s, 'EUR'), (%s, 'booking_revenue', %s, 'EUR')",
            (posted, minor, posted, -minor),
        )


KEPT, GONE = "booked", "not booked"
# How it is planted, its kind, its repair, and the final state of the purchase.
KINDS: dict[str, tuple[Plant, str, str, str]] = {
    "place held": (captured_there_place_held, "captured there, unknown here", "booked", KEPT),
    "place free": (captured_there_place_free, "captured there, unknown here", "booked", KEPT),
    "place taken": (
        captured_there_place_taken,
        "captured there, unknown here, place taken",
        "refunded",
        GONE,
    ),
    "not captured": (not_captured_there, "booked here, not captured there", "captured", KEPT),
    "lapsed": (lapsed_there, "booked here, authorisation lapsed", "booking cancelled", GONE),
    "refunded there": (refunded_there, "refunded there only", "recorded", KEPT),
    "refunded here": (refunded_here, "refunded here only", "sent to the provider", KEPT),
    "captured twice": (captured_twice, "captured twice there", "surplus refunded", KEPT),
    "recorded twice": (recorded_twice, "recorded twice here", "surplus reversed", KEPT),
    "not in ledger": (not_in_ledger, "ledger pair missing", "capture posted", KEPT),
    "orphan hold": (orphan_hold, "hold orphaned", "released", GONE),
}

# Differences whose repair needs a call to the provider.
BY_PROVIDER = ("place taken", "not captured", "refunded here")


async def agreed(till: Till, begun: Begun) -> str:
    """Assert that both sides agree on a purchase (amounts, refunds, ledger) and that it has no hold."""
    charges = await till.provider.charges(begun.id)
    payments = {
        intent: (captured, refunded)
        for intent, captured, refunded in await till.rows(
            "SELECT intent_id, captured_minor, refunded_minor FROM payments "
            "WHERE CAST(:id AS uuid) IN (checkout_id, surplus_of)",
            id=begun.id,
        )
    }
    for charge in charges:
        there = charge["captured_minor"], charge["refunded_minor"]
        assert payments.get(charge["id"], (0, 0)) == there
        assert charge["refund_pending_minor"] == 0
    captured = sum(captured for captured, _ in payments.values())
    refunded = sum(refunded for _, refunded in payments.values())
    ((posted, returned, holds, booked),) = await till.rows(
        """
        SELECT coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0),
            coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0),
            (SELECT count(*) FROM holds WHERE checkout_id = CAST(:id AS uuid) AND released_at IS NULL),
            (SELECT count(*) FROM bookings WHERE checkout_id = CAST(:id AS uuid) AND status = 'confirmed')
        FROM (
            SELECT t.kind, (SELECT sum(e.amount_minor) FROM ledger_entries AS e
                            WHERE e.transaction_id = t.id AND e.amount_minor > 0) AS amount
            FROM ledger_transactions AS t JOIN payments AS p ON p.id = t.payment_id
            WHERE CAST(:id AS uuid) IN (p.checkout_id, p.surplus_of)
              AND NOT EXISTS (SELECT 1 FROM ledger_transactions WHERE reverses = t.id)
        ) AS standing
        """,
        id=begun.id,
    )
    assert (posted, returned, holds) == (captured, refunded, 0)
    assert bool(booked) == (captured - refunded > 0)
    return KEPT if booked else GONE
