from __future__ import annotations

import pytest

from overbooked.journeys.booking import books_and_cancels, insists_on
from overbooked.journeys.buying import buy, repeat_payment
from tests.targets.town import Call, Reply, Town, at


async def test_a_place_is_booked_and_given_back() -> None:
    async with Town() as town, at(town) as system:
        (ana,) = await system.customers(1)
        booked, cancelled = await books_and_cancels(system, ana, await system.open_slot())
    assert booked.ok
    assert cancelled.ok
    assert town.calls[-1].path == "/b/b1"


async def test_who_gets_no_place_has_nothing_to_give_back() -> None:
    async with Town() as town, at(town) as system:
        ana, ben = await system.customers(2)
        slot = await system.open_slot()
        await system.make_booking(ben, slot)
        (answer,) = await books_and_cancels(system, ana, slot)
    assert answer.refused


async def test_who_insists_repeats_with_the_same_key() -> None:
    async with Town() as town, at(town) as system:

        async def deaf_at_first(call: Call) -> Reply:
            return None if len(town.calls) == 1 else await town.books(call)

        town.reply = deaf_at_first
        (ana,) = await system.customers(1)
        answers = await insists_on(system, ana, await system.open_slot())
    assert [answer.outcome.value for answer in answers] == ["unknown", "ok"]
    assert len({call.headers["x-key"] for call in town.calls}) == 1


async def test_who_insists_gives_up_in_the_end() -> None:
    async def deaf(_: Call) -> Reply:
        return None

    async with Town() as town, at(town) as system:
        town.reply = deaf
        (ana,) = await system.customers(1)
        answers = await insists_on(system, ana, await system.open_slot(), tries=3)
    assert [answer.unknown for answer in answers] == [True] * 3


class Till(Town):
    """Accepts payments; loses the first `lost` answers."""

    def __init__(self, lost: int = 0) -> None:
        super().__init__()
        self.lost = lost
        self.reply = self.pays

    async def pays(self, call: Call) -> Reply:
        if call.path == "/pay" or call.path.startswith("/c/"):
            self.lost -= 1
            return None if self.lost >= 0 else (201, {"id": "paid"})
        return await self.books(call)


async def test_a_place_is_bought() -> None:
    async with Till() as till, at(till) as system:
        (ana,) = await system.customers(1)
        bought = await buy(system, ana, await system.open_slot(), key="k")
    assert bought.booking == "paid"
    assert bought.outcome is bought.payments[0]
    assert not bought.stopped_at
    assert till.calls[-1].json["key"] == "k"


async def test_a_payment_is_repeated_with_its_key_while_nobody_answers() -> None:
    async with Till(lost=2) as till, at(till) as system:
        (ana,) = await system.customers(1)
        bought = await buy(system, ana, await system.open_slot(), tries=5)
    assert [answer.unknown for answer in bought.payments] == [True, True, False]
    assert len({call.json["key"] for call in till.calls if call.path == "/pay"}) == 1


async def test_an_unanswered_payment_has_no_outcome_until_it_is_repeated() -> None:
    async with Till(lost=1) as till, at(till) as system:
        (ana,) = await system.customers(1)
        bought = await buy(system, ana, await system.open_slot())
        assert bought.outcome is None
        assert bought.booking is None
        bought.facts = {"checkout": "c7"}
        assert (await repeat_payment(system, bought)).ok
    assert bought.booking == "paid"
    assert (till.calls[-1].path, till.calls[-1].headers["x-key"]) == ("/c/c7", bought.key)


async def test_who_finds_no_place_never_pays() -> None:
    async with Till() as till, at(till) as system:
        ana, ben = await system.customers(2)
        slot = await system.open_slot()
        await system.make_booking(ben, slot)
        bought = await buy(system, ana, slot)
        assert (bought.stopped_at, bought.payments, bought.outcome) == ("begin", [], None)
        assert bought.stopped_by is not None
        assert bought.stopped_by.refused
        with pytest.raises(ValueError, match=r"has no checkout to pay for: it stopped at begin"):
            await repeat_payment(system, bought)
