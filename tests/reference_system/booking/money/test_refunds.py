"""Refunds: recorded with the cancellation, sent once, counted once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from reference_system.booking.payments import refunds
from tests.reference_system.booking.money.strikes import Harm, Killed, Strike, Wire, boundaries, on
from tests.reference_system.booking.money.till import Begun, Till

STATES = """
SELECT refund.state FROM refunds AS refund JOIN payments AS payment ON payment.id = refund.payment_id
WHERE payment.checkout_id = CAST(:id AS uuid) ORDER BY refund.created_at, refund.id
"""


async def cancelled(till: Till) -> Begun:
    """A booking that was paid and cancelled; its refund is pending."""
    begun = await till.bought()
    booking = (await till.read(begun))["booking_id"]
    answer = await till.house.cancel(begun.who, booking)
    assert answer.status_code == 200, answer.text
    return begun


async def states(till: Till, begun: Begun) -> list[str]:
    return [row[0] for row in await till.rows(STATES, id=begun.id)]


async def given_back(till: Till, begun: Begun) -> int:
    return int((await till.charge(begun))["refunded_minor"])


async def test_a_cancelled_booking_is_owed_back_and_sent_by_the_outbox(till: Till) -> None:
    begun = await cancelled(till)
    assert (await states(till, begun), await given_back(till, begun)) == (["pending"], 0)
    assert (await till.house.run_job("send_outbox"))["refunds"] == {"succeeded": 1}
    assert (await states(till, begun), await given_back(till, begun)) == (["succeeded"], 1999)
    assert await till.books(begun) == [("capture", 1999), ("refund", 1999)]
    assert (await till.read(begun))["payment_state"] == "refunded"
    await till.deliver_all(begun)
    assert await till.books(begun) == [("capture", 1999), ("refund", 1999)]


async def test_many_outbox_jobs_send_a_refund_once(till: Till) -> None:
    begun = await cancelled(till)
    await asyncio.gather(*(till.house.run_job("send_outbox") for _ in range(5)))
    assert (await states(till, begun), await given_back(till, begun)) == (["succeeded"], 1999)
    assert await till.books(begun) == [("capture", 1999), ("refund", 1999)]


async def test_a_pending_refund_counts_when_the_provider_says_so(till: Till) -> None:
    begun = await cancelled(till)
    await till.provider.control("/refunds/mode", mode="pending")
    await till.house.run_job("send_outbox")
    assert await states(till, begun) == ["sent"]
    assert await till.books(begun) == [("capture", 1999)]
    await till.provider.control("/refunds/settle")
    await till.deliver_all(begun)
    assert await states(till, begun) == ["succeeded"]
    assert await till.books(begun) == [("capture", 1999), ("refund", 1999)]


async def test_a_refund_that_fails_is_left_to_a_person(till: Till) -> None:
    begun = await cancelled(till)
    await till.provider.control("/refunds/mode", mode="pending")
    await till.house.run_job("send_outbox")
    await till.provider.control("/refunds/settle", succeeded=False)
    await till.deliver_all(begun)
    assert await states(till, begun) == ["failed"]
    letters = await till.rows("SELECT source FROM dead_letters WHERE payload->>'checkout' = :id", id=begun.id)
    assert letters == [("outbox",)]
    await till.house.run_job("reconcile")
    again = await till.house.run_job("reconcile")
    assert begun.id not in {finding["subject"] for finding in again["findings"]}
    assert await states(till, begun) == ["failed"]


async def test_a_refund_waits_while_the_provider_is_away(till: Till) -> None:
    begun = await cancelled(till)
    till.provider.kill()
    report = await till.house.run_job("send_outbox")
    assert report["refunds"]["unreachable"] >= 1
    await till.provider.start()
    await till.house.run_job("send_outbox")
    assert await given_back(till, begun) == 1999


async def test_what_went_back_by_hand_is_not_sent_again(till: Till) -> None:
    begun = await cancelled(till)
    charge = await till.charge(begun)
    await till.provider.control(f"/intents/{charge['id']}/refund")
    await till.house.run_job("send_outbox")
    await till.deliver_all(begun)
    assert await given_back(till, begun) == 1999
    assert sorted(await states(till, begun)) == ["failed", "succeeded"]
    assert await till.books(begun) == [("capture", 1999), ("refund", 1999)]
    report = await till.house.run_job("reconcile")
    assert begun.id not in {finding["subject"] for finding in report["findings"]}


@pytest.mark.parametrize("harm", Harm, ids=lambda harm: harm.value)
async def test_a_struck_outbox_sends_it_once_in_the_end(till: Till, harm: Harm) -> None:
    await till.house.run_job("send_outbox")
    begun = await cancelled(till)
    crossed = await boundaries(
        till.house.runtime, lambda: till.house.run_job("send_outbox"), statements=False
    )
    for n in range(len(crossed)):
        for after in (False, True):
            begun = await cancelled(till)
            wire = Wire(Strike(n, harm, after), statements=False)
            with on(till.house.runtime, wire), suppress(Killed):
                await till.house.http.post("/_control/jobs/send_outbox")
            assert wire.struck
            await till.house.run_job("send_outbox")
            assert await given_back(till, begun) == 1999
            assert await till.books(begun) == [("capture", 1999), ("refund", 1999)]


async def test_there_is_no_more_to_owe_than_is_left(till: Till) -> None:
    begun = await cancelled(till)
    database = till.house.runtime.database
    (payment,) = await database.all(
        "SELECT id, captured_minor, refunded_minor FROM payments WHERE checkout_id = CAST(:id AS uuid)",
        id=begun.id,
    )
    now = await till.house.runtime.clock.now()

    async def owe_again(uow: object) -> object:
        return await refunds.owe(uow, payment, left_minor=1999, reason="again", now=now)  # type: ignore[arg-type]

    assert await database.run(owe_again) is None
