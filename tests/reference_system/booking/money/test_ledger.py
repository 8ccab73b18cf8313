"""The ledger: balanced pairs, posted once, readable by operators."""

from __future__ import annotations

from uuid import UUID

import pytest

from reference_system.booking.ledger import service, store
from reference_system.booking.platform.db import UnitOfWork
from tests.reference_system.booking.money.till import Begun, Till


async def payment_of(till: Till, begun: Begun) -> UUID:
    ((payment,),) = await till.rows(
        "SELECT id FROM payments WHERE checkout_id = CAST(:id AS uuid)", id=begun.id
    )
    return UUID(str(payment))


async def test_a_capture_is_what_the_provider_owes_and_the_house_earned(till: Till) -> None:
    begun = await till.bought()
    headers = (await till.house.operator()).headers
    answer = await till.house.http.get("/ledger", params={"checkout_id": begun.id}, headers=headers)
    (posted,) = answer.json()
    assert (posted["kind"], posted["checkout_id"]) == ("capture", begun.id)
    assert posted["intent_id"] == posted["reference"] == (await till.charge(begun))["id"]
    assert posted["entries"] == [
        {"account": "provider_receivable", "amount_minor": 1999, "currency": "EUR"},
        {"account": "booking_revenue", "amount_minor": -1999, "currency": "EUR"},
    ]


async def test_the_books_are_paged_and_for_operators(till: Till) -> None:
    await till.bought()
    begun = await till.bought()
    headers = (await till.house.operator()).headers
    first, second = (await till.house.http.get("/ledger", params={"limit": 2}, headers=headers)).json()[:2]
    after = await till.house.http.get("/ledger", params={"after": first["id"], "limit": 1}, headers=headers)
    assert after.json()[0]["id"] == second["id"]
    assert (await till.house.http.get("/ledger", headers=begun.who.headers)).status_code == 403
    assert (await till.house.http.get("/dead-letters", headers=begun.who.headers)).status_code == 403


class Enough(Exception):
    """Rolls back a test transaction."""


async def test_a_capture_and_a_reversal_are_posted_once(till: Till) -> None:
    begun = await till.bought()
    payment, intent = await payment_of(till, begun), (await till.charge(begun))["id"]
    now = await till.house.runtime.clock.now()
    written: list[bool] = []

    async def work(uow: UnitOfWork) -> None:
        (standing,) = await store.standing(uow, [payment])
        for _ in range(2):
            written.append(
                await service.post_capture(
                    uow, payment_id=payment, intent_id=intent, amount_minor=1999, currency="EUR", now=now
                )
            )
        for _ in range(2):
            written.append(await service.reverse(uow, transaction_id=standing.id, now=now))
        assert await store.standing(uow, [payment]) == []
        raise Enough

    with pytest.raises(Enough):
        await till.house.runtime.database.run(work)
    assert written == [False, False, True, False]
    assert await till.books(begun) == [("capture", 1999)]
