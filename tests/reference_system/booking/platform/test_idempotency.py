"""Claiming keys for work that spans transactions: leases, takeovers, the first answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from reference_system.booking.platform import idempotency
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer, Claim
from reference_system.booking.platform.problems import Problem
from tests.reference_system.house import House

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)


class Keyed:
    """One key of one customer."""

    def __init__(self, house: House, customer: str) -> None:
        self._database = house.runtime.database
        self._customer = UUID(customer)
        self._key = uuid4().hex

    async def claim(self, *, at: datetime = NOW, fingerprint: str = "this request") -> Claim:
        async def work(uow: UnitOfWork) -> Claim:
            return await idempotency.claim(
                uow,
                customer_id=self._customer,
                key=self._key,
                fingerprint=fingerprint,
                now=at,
                lease_until=at + LEASE,
            )

        return await self._database.run(work)

    async def finish(self, answer: Answer) -> None:
        async def work(uow: UnitOfWork) -> None:
            await idempotency.finish(uow, customer_id=self._customer, key=self._key, answer=answer)

        await self._database.run(work)


@pytest.fixture
async def keyed(house: House) -> Keyed:
    return Keyed(house, (await house.person()).id)


async def test_the_first_claim_is_new(keyed: Keyed) -> None:
    assert await keyed.claim() == Claim("new")


async def test_a_claim_within_the_lease_is_told_how_long_to_wait(keyed: Keyed) -> None:
    await keyed.claim()
    with pytest.raises(Problem) as refused:
        await keyed.claim(at=NOW + timedelta(seconds=9.5))
    assert refused.value.kind is idempotency.IN_PROGRESS
    assert refused.value.headers == {"Retry-After": "21"}


async def test_a_claim_after_the_lease_takes_over_and_has_a_lease_of_its_own(keyed: Keyed) -> None:
    await keyed.claim()
    assert await keyed.claim(at=NOW + LEASE) == Claim("resumed")
    with pytest.raises(Problem, match="still running"):
        await keyed.claim(at=NOW + LEASE * 1.5)


async def test_a_claim_for_another_request_is_refused_at_every_stage(keyed: Keyed) -> None:
    await keyed.claim()
    for _ in range(2):
        with pytest.raises(Problem, match="used for another request"):
            await keyed.claim(fingerprint="another request")
        await keyed.finish(Answer(201, "{}"))


async def test_the_first_answer_stays(keyed: Keyed) -> None:
    await keyed.claim()
    await keyed.finish(Answer(402, '{"type":"card-declined"}'))
    await keyed.finish(Answer(201, "{}"))
    assert (await keyed.claim()).answer == Answer(402, '{"type":"card-declined"}')


async def test_an_answer_without_a_claim_is_not_recorded(keyed: Keyed) -> None:
    await keyed.finish(Answer(201, "{}"))
    assert await keyed.claim() == Claim("new")


def test_a_missing_key_is_refused_where_one_is_required() -> None:
    assert idempotency.checked(None, required=False) is None
    with pytest.raises(Problem, match="needs an Idempotency-Key"):
        idempotency.checked(None, required=True)


def test_requests_differ_by_method_path_and_body() -> None:
    fingerprints = {
        idempotency.fingerprint(method, path, body)
        for method in ("POST", "PUT")
        for path in ("/a", "/b")
        for body in (b"", b"{}")
    }
    assert len(fingerprints) == 8
