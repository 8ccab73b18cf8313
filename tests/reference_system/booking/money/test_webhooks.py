"""Events of the provider, delivered once, often, late and in any order."""

from __future__ import annotations

from tests.reference_system.booking.money.till import BANK, Till


async def test_a_bank_payment_books_when_the_provider_says_it_came(till: Till) -> None:
    begun = await till.begin()
    assert (await till.pay(begun, how=BANK)).status_code == 202
    charge = await till.charge(begun)
    await till.provider.control(f"/intents/{charge['id']}/settle")
    await till.deliver_all(begun)
    assert (await till.read(begun))["state"] == "booked"
