"""A process is stopped at each message, and faults are healed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from overbooked.errors import DeadlineExceeded, FaultError, GapFound
from overbooked.faults.base import Fault, FaultObservation, at_once
from overbooked.faults.faults import Faults
from overbooked.verdicts.evidence import Receipt
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.faults.fakestack import IDLE, LINK, FakeStack, Talker


async def test_it_stands_still_at_each_message_until_it_is_let_go_on(talker: Talker, faults: Faults) -> None:
    halts = 0
    async with faults.stepped("app", LINK) as stepped:
        asking = asyncio.create_task(_asks(talker, times=3))
        while await stepped.next(asking):
            halts += 1
            assert not asking.done()
        assert await asking == 3
    assert halts == 3
    assert stepped.receipt is not None
    assert stepped.receipt.bit
    assert stepped.receipt.effect["halts"] == 3


async def test_after_the_block_it_goes_on(talker: Talker, faults: Faults) -> None:
    async with faults.stepped("app", LINK) as stepped:
        asking = asyncio.create_task(_asks(talker, times=3))
        assert await stepped.next(asking)
    assert await asking == 3


async def test_while_it_stands_no_message_stops_it_again(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    async with faults.stepped("app", LINK, IDLE) as stepped:
        asking = asyncio.create_task(_asks(talker, times=1))
        assert await stepped.next(asking)
        async with faults.killed("app"):
            pass
        async with Talker(stack.links[LINK]) as other:
            await other.ask()
        assert stepped.halts == 1
    with pytest.raises(ConnectionError):
        await asking


async def test_work_that_sends_nothing_is_not_waited_for_for_ever(talker: Talker, faults: Faults) -> None:
    async with faults.stepped("app", IDLE) as stepped:
        silent = asyncio.get_running_loop().create_future()
        with pytest.raises(DeadlineExceeded, match="sent no message within"):
            await stepped.next(silent, within_s=0.05)


async def test_a_process_that_never_stood_still_proves_nothing(faults: Faults, judge: Judge) -> None:
    judge.count("rounds")
    async with faults.stepped("app", LINK) as stepped:
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        assert not await stepped.next(done)
    [result] = judge.conclude(None)
    assert result.verdict is Verdict.INCONCLUSIVE


async def test_it_is_stepped_by_the_messages_of_a_link(faults: Faults) -> None:
    with pytest.raises(FaultError, match="at least one link"):
        faults.stepped("app")
    with pytest.raises(FaultError, match="no link"):
        faults.stepped("app", "app->moon")


async def _asks(talker: Talker, *, times: int) -> int:
    for _ in range(times):
        await talker.ask()
    return times


# -- at once --------------------------------------------------------------------------------------


class Noted(Fault):
    """Healing waits until the other fault is being healed too."""

    def __init__(self, what: str, met: asyncio.Barrier, receive: Callable[[Receipt], None]) -> None:
        super().__init__(what, "app", receive, lambda: 0.0)
        self.met = met
        self.fails = ""
        self.in_force = False

    async def inject(self) -> None:
        if self.fails == "inject":
            raise FaultError("cannot")
        self.in_force = True

    async def heal(self) -> None:
        async with asyncio.timeout(5):
            await self.met.wait()
        self.in_force = False
        if self.fails == "heal":
            raise FaultError("cannot heal")

    def observe(self) -> FaultObservation:
        return FaultObservation(bit=True)


def _two(parties: int = 2) -> tuple[Noted, Noted, list[Any]]:
    receipts: list[Receipt] = []
    met = asyncio.Barrier(parties)
    return Noted("one", met, receipts.append), Noted("two", met, receipts.append), receipts


async def test_faults_are_healed_at_the_same_time() -> None:
    one, two, receipts = _two()
    async with at_once(one, two):
        assert one.in_force
        assert two.in_force
    assert not one.in_force
    assert not two.in_force
    assert {receipt.fault for receipt in receipts} == {"one", "two"}


async def test_what_the_block_found_goes_before_a_failure_to_heal() -> None:
    one, two, _ = _two()
    two.fails = "heal"
    with pytest.raises(GapFound, match="torn"):
        async with at_once(one, two):
            raise GapFound("torn")
    assert not one.in_force


async def test_a_failure_to_heal_is_told_and_the_other_is_healed() -> None:
    one, two, _ = _two()
    two.fails = "heal"
    with pytest.raises(FaultError, match="cannot heal"):
        async with at_once(one, two):
            pass
    assert not one.in_force


async def test_when_one_cannot_be_injected_those_before_it_are_healed() -> None:
    one, two, _ = _two(parties=1)
    two.fails = "inject"
    with pytest.raises(FaultError, match="cannot"):
        async with at_once(one, two):
            raise AssertionError("never reached")
    assert not one.in_force
