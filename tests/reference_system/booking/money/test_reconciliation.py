"""Reconciliation of what the provider has on record with what is on record here."""

from __future__ import annotations

from tests.reference_system.booking.money.till import Till


async def test_agreement_is_found_to_agree(till: Till) -> None:
    await till.bought()
    report = await till.house.run_job("reconcile")
    assert report["examined"] >= 1
    assert report["findings"] == []
