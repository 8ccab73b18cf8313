"""Processes that a scenario kills, pauses and restarts."""

from __future__ import annotations

import pytest

from overbooked.errors import FaultError
from overbooked.faults.faults import Faults
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.faults.fakestack import LINK, FakeStack, Talker
from tests.faults.receipts import receipt_of, verdict_of

# -- processes -------------------------------------------------------------------------------------


async def test_a_killed_process_is_dead_in_the_block_and_back_after_it(
    stack: FakeStack, talker: Talker, faults: Faults, judge: Judge
) -> None:
    app = stack.processes["app"]
    pid = app.pid
    async with faults.killed("app") as fault:
        assert not app.alive()
        assert await talker.ending() == "eof"
    assert app.alive()
    async with Talker(stack.links[LINK]) as again:
        await again.ask()
    receipt = receipt_of(fault)
    assert (receipt.fault, receipt.subject, receipt.bit) == ("killed", "app", True)
    assert (receipt.effect["pid"], app.pid != pid) == (pid, True)
    assert verdict_of(judge) is Verdict.CLOSED


async def test_a_process_that_came_back_by_itself_does_not_count_as_killed(
    stack: FakeStack, faults: Faults
) -> None:
    async with faults.killed("app") as fault:
        await stack.processes["app"].start()
    assert not receipt_of(fault).bit


async def test_a_paused_process_answers_when_the_block_ends(
    talker: Talker, faults: Faults, judge: Judge
) -> None:
    async with faults.paused("app") as fault:
        await talker.say()
        assert await talker.hears_nothing()
    assert await talker.reader.readline() == b"hello\n"
    receipt = receipt_of(fault)
    assert (receipt.bit, receipt.messages, receipt.bytes) == (True, 1, 6)
    assert verdict_of(judge) is Verdict.CLOSED


async def test_a_paused_process_that_was_asked_nothing_is_inconclusive(faults: Faults, judge: Judge) -> None:
    async with faults.paused("app") as fault:
        pass
    assert not receipt_of(fault).bit
    assert verdict_of(judge) is Verdict.INCONCLUSIVE


async def test_a_restarted_process_is_another_in_the_block(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    pid = stack.processes["app"].pid
    async with faults.restarted("app") as fault:
        assert stack.processes["app"].pid not in (None, pid)
        assert await talker.ending() == "eof"
        async with Talker(stack.links[LINK]) as again:
            await again.ask()
    effect = receipt_of(fault).effect
    assert (effect["pid_before"], effect["pid"]) == (pid, stack.processes["app"].pid)
    assert receipt_of(fault).bit


@pytest.mark.parametrize("kind", ["killed", "paused", "restarted"])
async def test_a_process_that_does_not_run_cannot_be_hurt(
    stack: FakeStack, faults: Faults, kind: str
) -> None:
    stack.processes["app"].kill()
    with pytest.raises(FaultError, match=rf"app should run before it is {kind}; it does not\nthe last line"):
        async with getattr(faults, kind)("app"):
            pass
