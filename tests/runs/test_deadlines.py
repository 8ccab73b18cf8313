"""Timeouts end tests that take too long, except under a debugger."""

from __future__ import annotations

import asyncio
import bdb
import sys
import time
from pathlib import Path

import pytest

from overbooked.errors import DeadlineExceeded
from overbooked.runs import deadlines, interrupts, session
from overbooked.runs.deadlines import Limit, SuspensionMark, debugger_attached, with_limit
from overbooked.runs.plan import Plan


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_ends_in_time_gives_its_result() -> None:
    async def quick(n: int) -> int:
        return n + 1

    assert await with_limit(quick, Limit(5))(1) == 2


async def test_what_takes_too_long_is_cancelled() -> None:
    with pytest.raises(DeadlineExceeded, match="longer than its 0 s"):
        await with_limit(forever, Limit(0.01))()


async def test_the_end_of_the_run_counts_when_it_comes_first() -> None:
    with pytest.raises(DeadlineExceeded, match="the run's deadline"):
        await with_limit(forever, Limit(60, until=time.time() + 0.01))()


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    task = asyncio.create_task(with_limit(forever, Limit(60))())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_interrupt_ends_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "requested", False)

    async def interrupted() -> None:
        interrupts.request()
        await forever()

    with pytest.raises(KeyboardInterrupt):
        await with_limit(interrupted, Limit(60))()


async def test_a_debugger_suspends_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    attached = True
    monkeypatch.setattr(deadlines, "debugger_attached", lambda: attached)
    limit = Limit(0.0)
    assert not limit.expired()
    attached = False
    assert limit.expired()


def test_a_blocked_thread_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_GRACE_S", 0.02)
    with pytest.raises(DeadlineExceeded), Limit(0.01).alarm():
        time.sleep(30)


def test_the_alarm_is_off_afterwards() -> None:
    with Limit(0.01).alarm():
        pass
    time.sleep(0.02)  # the time at which the alarm would have fired


def test_a_tracing_debugger_is_seen() -> None:
    before = sys.gettrace()
    tracer = bdb.Bdb()
    tracer.reset()
    sys.settrace(tracer.trace_dispatch)
    try:
        seen = debugger_attached()
    finally:
        sys.settrace(before)
    assert seen


def test_a_process_nobody_traces_is_not_debugged() -> None:
    assert not deadlines._traced("self")
    assert not deadlines._traced("0")


def test_a_suspended_worker_tells_its_controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = SuspensionMark(tmp_path)
    assert not mark.is_fresh()
    monkeypatch.setattr(deadlines, "debugger_attached", lambda: True)
    assert not Limit(0.0, mark=mark).expired()
    assert mark.is_fresh()


def test_a_deadline_that_no_worker_keeps_is_kept_by_the_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "DEADLINE_GRACE_S", 0.0)
    plan = Plan("toy", tmp_path, tmp_path, tmp_path, {}, 1, (), deadline_at=time.time() + 0.01)

    def overdue() -> None:
        with session._DeadlineWatch(plan):
            time.sleep(30)

    with interrupts.handle_interrupts(lambda: None), pytest.raises(KeyboardInterrupt):
        overdue()
