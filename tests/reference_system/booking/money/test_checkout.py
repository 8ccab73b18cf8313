"""Checkout, paid for one at a time."""

from __future__ import annotations

from tests.reference_system.booking.money.till import BANK, DECLINED, Till


class TestPaying:
    async def test_books_the_place_and_charges_the_quoted_price(self, till: Till) -> None:
        begun = await till.begin()
        answer = await till.pay(begun)
        assert answer.status_code == 201, answer.text
        assert answer.json()["amount_minor"] == begun.amount_minor
        assert (await till.read(begun))["state"] == "booked"
        assert (await till.charge(begun))["captured_minor"] == begun.amount_minor
        assert await till.books(begun) == [("capture", begun.amount_minor)]
        assert await till.house.places(begun.slot) == (1, 1)
