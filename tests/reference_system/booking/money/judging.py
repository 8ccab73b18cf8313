"""Invariants of a purchase, and a purchase with an injected fault."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID, uuid4

import httpx

from tests.reference_system.booking.money.strikes import Killed, Strike, Wire, on
from tests.reference_system.booking.money.till import Begun, Till

LEASE_AND_HOLD_S = 700.0

STATE = """
SELECT
    (SELECT count(*) FROM bookings WHERE checkout_id = :id AND status = 'confirmed') AS booked,
    (SELECT count(*) FROM holds WHERE checkout_id = :id AND released_at IS NULL) AS holds,
    (SELECT count(*) FROM ledger_transactions AS posted
     JOIN payments AS payment ON payment.id = posted.payment_id
     WHERE payment.checkout_id = :id AND posted.kind = 'capture') AS captures,
    (SELECT count(*) FROM refunds JOIN payments AS payment ON payment.id = refunds.payment_id
     WHERE payment.checkout_id = :id AND refunds.state IN ('pending', 'sent')) AS open_refunds
"""


def is_conclusive(answer: httpx.Response) -> bool:
    """Whether an answer is conclusive, so that every repeat must get it."""
    if answer.status_code >= 500:
        return False
    return not (answer.status_code == 409 and answer.json()["type"] == "in-progress")


async def at_any_moment(till: Till, begun: Begun) -> None:
    """Assert that a confirmed booking has its ledger pair and nothing is charged twice."""
    (state,) = await till.house.runtime.database.all(STATE, id=UUID(begun.id))
    assert state.captures == 1 if state.booked else state.captures <= 1, "a booking without its pair"
    charges = await till.provider.charges(begun.id)
    assert len([charge for charge in charges if charge["captured_minor"]]) <= 1, "charged twice"
    assert all(charge["captures"] <= 1 for charge in charges), "captured twice"


async def at_rest(till: Till, begun: Begun) -> str:
    """Assert that money is kept if and only if there is a booking, the ledger balances and no hold is left.

    Returns `booked` or `not booked`.
    """
    await at_any_moment(till, begun)
    (state,) = await till.house.runtime.database.all(STATE, id=UUID(begun.id))
    charges = await till.provider.charges(begun.id)
    kept = sum(charge["captured_minor"] - charge["refunded_minor"] for charge in charges)
    assert (kept, state.booked) in ((begun.amount_minor, 1), (0, 0)), f"kept {kept}, booked {state.booked}"
    assert state.holds == 0, "a hold is left"
    assert state.open_refunds == 0, "a refund is left"
    books = await till.books(begun)
    captured = [begun.amount_minor for charge in charges if charge["captured_minor"]]
    assert [amount for kind, amount in books if kind == "capture"] == captured, f"books: {books}"
    refunded = sum(charge["refunded_minor"] for charge in charges)
    assert sum(amount for kind, amount in books if kind == "refund") == refunded, f"books: {books}"
    capacity, taken = await till.house.places(begun.slot)
    assert taken == state.booked <= capacity, f"{taken} places are taken"
    return "booked" if state.booked else "not booked"


async def settle(till: Till) -> None:
    """Run the jobs and deliveries of the following days."""
    for job in ("recover_checkouts", "expire_holds", "send_outbox", "reconcile", "send_outbox"):
        await till.house.run_job(job)


async def struck_purchase(
    till: Till, how: Mapping[str, str], strike: Strike, *, events_first: bool, statements: bool = True
) -> str:
    """Pay for a new checkout with one fault, repeat the request, settle, and check the invariants.

    Returns the final answer as `status outcome`.
    """
    await till.move_clock(0)
    begun, key = await till.begin(), uuid4().hex
    answers: list[httpx.Response] = []
    with on(till.house.runtime, Wire(strike, statements=statements)), suppress(Killed):
        answers.append(await till.pay(begun, key=key, how=how))
    await at_any_moment(till, begun)
    if events_first:
        await till.deliver_all(begun)
        await at_any_moment(till, begun)
    else:
        answers.append(await till.pay(begun, key=key, how=how))
        await at_any_moment(till, begun)
    await till.move_clock(LEASE_AND_HOLD_S)
    for charge in await till.provider.charges(begun.id):
        if charge["status"] == "processing":
            await till.provider.control(f"/intents/{charge['id']}/settle")
    await settle(till)
    await till.deliver_all(begun)
    outcome = await at_rest(till, begun)
    begun.who.session = await till.house.log_in(begun.who.email)
    answers += [await till.pay(begun, key=key, how=how) for _ in range(2)]
    conclusive = [(answer.status_code, answer.content) for answer in answers if is_conclusive(answer)]
    assert len(conclusive) >= 2, f"no recorded outcome: {answers[-1].status_code} {answers[-1].text}"
    assert len(set(conclusive)) == 1, f"two answers to one key: {sorted(set(conclusive))}"
    assert await at_rest(till, begun) == outcome, "a repeat changed something"
    return f"{conclusive[0][0]} {outcome}"
