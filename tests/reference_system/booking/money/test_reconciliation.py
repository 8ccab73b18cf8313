"""Reconciliation: every kind of difference is found, reported once, and repaired by the policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from reference_system.booking.platform.problems import INTERNAL, Problem
from reference_system.booking.reconciliation import repairs
from tests.reference_system.booking.money.differences import (
    BY_PROVIDER,
    KEPT,
    KINDS,
    Forger,
    agreed,
    another_amount,
    captured_there_place_taken,
    captured_twice,
    not_captured_there,
    not_in_ledger,
    reconcile,
    recorded_twice,
    refunded_here,
)
from tests.reference_system.booking.money.judging import at_rest
from tests.reference_system.booking.money.strikes import Harm, Killed, Strike, Wire, boundaries, on
from tests.reference_system.booking.money.till import BANK, Till
from tests.reference_system.servers import Servers


@pytest.fixture
async def forger(servers: Servers, till: Till) -> AsyncIterator[Forger]:
    """The database without triggers, as after a faulty migration or an edit by hand.

    The unfinished work of earlier tests is completed first.
    """
    await till.house.run_job("send_outbox")
    await reconcile(till)
    async with await Forger.connect(servers.dsns["admin"], autocommit=True) as connection:
        await connection.execute("SET session_replication_role = replica")
        yield connection


class TestADifference:
    @pytest.mark.parametrize("kind", KINDS)
    async def test_is_found_by_name_and_mended_once(self, till: Till, forger: Forger, kind: str) -> None:
        plant, name, action, end = KINDS[kind]
        begun = await plant(till, forger)
        assert await reconcile(till) == [(begun.id, name, action)]
        assert await agreed(till, begun) == end
        assert await reconcile(till) == []
        assert await agreed(till, begun) == end
        await till.deliver_all(begun)
        assert await agreed(till, begun) == end

    async def test_of_amounts_is_left_to_a_person_and_nothing_changes(
        self, till: Till, forger: Forger
    ) -> None:
        begun = await another_amount(till, forger)
        before = (await till.charge(begun), await till.books(begun), await till.read(begun))
        assert await reconcile(till) == [(begun.id, "amount differs", "dead-lettered")]
        assert await reconcile(till) == []
        assert (await till.charge(begun), await till.books(begun), await till.read(begun)) == before
        letters = await till.rows("SELECT source, reason FROM dead_letters WHERE subject = :id", id=begun.id)
        ((source, reason),) = letters
        assert source == "reconciliation"
        assert reason.endswith("captured 2099 of 2099 EUR there, 1999 of 1999 EUR here")

    async def test_of_amounts_stops_every_other_repair(self, till: Till, forger: Forger) -> None:
        begun = await not_in_ledger(till, forger)
        await till.provider.patch((await till.charge(begun))["id"], amount="20.99", amount_captured="20.99")
        assert [kind for _, kind, _ in await reconcile(till)] == ["amount differs"]
        assert await till.books(begun) == []

    async def test_among_many_others_of_every_kind_is_told_apart(self, till: Till, forger: Forger) -> None:
        planted = [
            (await plant(till, forger), name, action, end) for plant, name, action, end in KINDS.values()
        ]
        for _ in range(5):
            await till.bought()
        found = await reconcile(till)
        assert sorted(found) == sorted((begun.id, name, action) for begun, name, action, _ in planted)
        for begun, _, _, end in planted:
            assert await agreed(till, begun) == end

    async def test_is_not_named_again_while_its_refund_is_pending(self, till: Till, forger: Forger) -> None:
        await till.provider.control("/refunds/mode", mode="pending")
        planted = [
            await plant(till, forger) for plant in (captured_there_place_taken, refunded_here, captured_twice)
        ]
        assert len(await reconcile(till)) == 3
        pending = [await till.provider.journal(begun.id) for begun in planted]
        assert await reconcile(till) == []
        refunds = [await till.provider.journal(begun.id) for begun in planted]
        assert [one["refunds"] for one in refunds] == [one["refunds"] for one in pending]
        await till.provider.control("/refunds/settle")
        for begun in planted:
            await till.deliver_all(begun)
            await agreed(till, begun)


class TestWhatIsNoDifference:
    async def test_a_purchase_a_refund_and_a_cancelled_booking(self, till: Till, forger: Forger) -> None:
        await till.bought()
        begun = await till.bought()
        await till.house.cancel(begun.who, (await till.read(begun))["booking_id"])
        await till.house.run_job("send_outbox")
        assert await reconcile(till) == []

    async def test_a_payment_that_is_under_way(
        self, till: Till, forger: Forger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = await till.begin()
        died = Strike(0, Harm.KILLED, True, where="/capture")
        with on(till.house.runtime, Wire(died, statements=False)), pytest.raises(Killed):
            await till.pay(begun)
        assert await reconcile(till) == []
        await till.move_clock(700)
        assert await reconcile(till) == [(begun.id, "captured there, unknown here", "booked")]

    async def test_a_bank_transfer_that_is_awaited(self, till: Till, forger: Forger) -> None:
        begun = await till.begin()
        await till.pay(begun, how=BANK)
        assert await reconcile(till) == []
        assert (await till.read(begun))["state"] == "processing"

    async def test_an_open_checkout_and_an_expired_one(self, till: Till, forger: Forger) -> None:
        await till.begin()
        assert await reconcile(till) == []
        await till.move_clock(700)
        await till.house.run_job("expire_holds")
        assert await reconcile(till) == []


class TestARun:
    async def test_repairs_what_no_webhook_told(self, till: Till, forger: Forger) -> None:
        begun = await till.begin()
        await till.pay(begun, how=BANK)
        await till.provider.control(f"/intents/{(await till.charge(begun))['id']}/settle")
        assert await reconcile(till) == [(begun.id, "captured there, unknown here", "booked")]
        assert await at_rest(till, begun) == KEPT

    async def test_beside_another_mends_each_difference_once(self, till: Till, forger: Forger) -> None:
        planted = [(await KINDS[kind][0](till, forger), *KINDS[kind][1:]) for kind in BY_PROVIDER]
        reports = await asyncio.gather(*(reconcile(till) for _ in range(3)))
        for begun, name, action, end in planted:
            assert (begun.id, name, action) in {found for report in reports for found in report}
            assert await agreed(till, begun) == end
        assert await reconcile(till) == []

    async def test_hears_of_a_refusal_that_no_webhook_told(self, till: Till, forger: Forger) -> None:
        begun = await till.begin()
        await till.pay(begun, how=BANK)
        await till.provider.control(f"/intents/{(await till.charge(begun))['id']}/settle", paid=False)
        assert [kind for _, kind, _ in await reconcile(till)] == ["declined there, awaited here"]
        assert await till.house.places(begun.slot) == (1, 0)

    async def test_cancels_a_booking_of_which_no_payment_is_known(self, till: Till, forger: Forger) -> None:
        begun = await till.begin()
        await forger.execute(
            "INSERT INTO bookings (id, slot_id, customer_id, checkout_id, status, created_at) "
            "VALUES (%s, %s, %s, %s, 'confirmed', now())",
            (uuid4(), begun.slot, begun.who.id, begun.id),
        )
        await forger.execute("UPDATE holds SET released_at = now() WHERE checkout_id = %s", (begun.id,))
        await forger.execute("UPDATE checkouts SET state = 'booked' WHERE id = %s", (begun.id,))
        assert await reconcile(till) == [(begun.id, "booked here, not captured there", "booking cancelled")]
        assert await till.house.places(begun.slot) == (1, 0)

    async def test_releases_a_hold_of_no_checkout(self, till: Till, forger: Forger) -> None:
        who, slot, hold = await till.house.person(), await till.house.slot(), uuid4()
        await forger.execute(
            "INSERT INTO holds (id, slot_id, customer_id, expires_at) VALUES (%s, %s, %s, now())",
            (hold, slot, who.id),
        )
        await forger.execute("UPDATE slots SET taken = 1 WHERE id = %s", (slot,))
        assert await reconcile(till) == [(str(hold), "hold orphaned", "released")]
        assert await till.house.places(slot) == (1, 0)

    async def test_leaves_a_charge_for_no_checkout_to_a_person(self, till: Till, forger: Forger) -> None:
        made = await till.provider.control("/intents", amount="19.99", currency="EUR", metadata={})
        assert await reconcile(till) == [(made["id"], "captured there, unknown here", "dead-lettered")]
        assert await reconcile(till) == []

    async def test_goes_on_past_what_it_cannot_mend(
        self, till: Till, forger: Forger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, other = await not_in_ledger(till, forger), await recorded_twice(till, forger)

        async def refused(*_: Any, **__: Any) -> None:
            raise Problem(INTERNAL)

        monkeypatch.setattr(repairs, "post_capture", refused)
        found = await reconcile(till)
        assert (begun.id, "repair failed", "dead-lettered") in found
        assert (other.id, "recorded twice here", "surplus reversed") in found

    async def test_stops_when_the_provider_is_away_and_goes_on_under_its_id(
        self, till: Till, forger: Forger
    ) -> None:
        begun = await not_captured_there(till, forger)
        away = Strike(0, Harm.DOWN, False, where="/capture")
        with on(till.house.runtime, Wire(away, statements=False)):
            stopped = await till.house.http.post("/_control/jobs/reconcile")
        assert (stopped.status_code, stopped.json()["type"]) == (503, "provider-unavailable")
        assert await reconcile(till) == [(begun.id, "booked here, not captured there", "captured")]
        assert await agreed(till, begun) == KEPT

    async def test_can_be_read_by_operators(self, till: Till, forger: Forger) -> None:
        begun = await not_in_ledger(till, forger)
        report = await till.house.run_job("reconcile")
        headers = (await till.house.operator()).headers
        path = "/reconciliation/runs"
        assert (await till.house.http.get(path, headers=headers)).json()
        run = (await till.house.http.get(f"{path}/{report['run_id']}", headers=headers)).json()
        assert run["finished_at"] is not None
        (finding,) = run["findings"]
        assert (finding["subject"], finding["kind"]) == (begun.id, "ledger pair missing")
        assert (await till.house.http.get(f"{path}/{uuid4()}", headers=headers)).status_code == 404
        refused = await till.house.http.get(path, headers=begun.who.headers)
        assert refused.status_code == 403

    async def test_struck_anywhere_and_begun_again_ends_as_one_whole_run(
        self, till: Till, forger: Forger
    ) -> None:
        """Each kind that the provider repairs, with a fault at each commit and call of the run."""
        for start, kind in enumerate(BY_PROVIDER):
            plant, name, action, end = KINDS[kind]
            await plant(till, forger)
            crossed = await self._messages(till)
            for n in range(start, len(crossed), 3):
                begun = await plant(till, forger)
                wire = Wire(Strike(n, Harm.KILLED, n % 2 == 0), statements=False)
                with on(till.house.runtime, wire), pytest.raises(Killed):
                    await till.house.run_job("reconcile")
                again = await reconcile(till)
                assert again in ([(begun.id, name, action)], []), crossed[n]
                assert await agreed(till, begun) == end, crossed[n]
                assert await reconcile(till) == []

    async def _messages(self, till: Till) -> list[str]:
        return await boundaries(till.house.runtime, lambda: till.house.run_job("reconcile"), statements=False)
