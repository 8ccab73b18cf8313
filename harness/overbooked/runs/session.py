"""One pytest session over a plan, run in this process with workers beside it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from overbooked.errors import HarnessError, UsageError
from overbooked.runs.controller_plugin import Listener, Recorder
from overbooked.runs.deadlines import SuspensionMark, debugger_attached
from overbooked.runs.exploration_options import WATCHER, Watcher
from overbooked.runs.isolation import not_read, quietly, undisturbed
from overbooked.runs.plan import Plan

PLAN_FILE = "plan.json"
# Workers keep the deadline themselves; the controller steps in when one does not.
DEADLINE_GRACE_S = 20.0
RESTARTS = 4


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended: `interrupted` by a person, or `overdue` by the clock."""

    interrupted: bool = False
    overdue: bool = False


def hold(
    plan: Plan,
    scenarios: Sequence[Path],
    *,
    workers: int,
    listener: Listener,
    watcher: Watcher | None = None,
) -> Ended:
    """Run every trial of a plan. The caller has installed `interrupts.first_one_counts`.

    Args:
        plan: what to run; its directory is where the workers leave their collection.
        scenarios: folders or files.
        workers: processes, each with a stack of its own; 0 runs everything in this one.
        listener: hears how it goes.
        watcher: follows explorations, where everything runs in this process.

    Raises:
        UsageError: there are no scenarios, one cannot be imported, or is bound to what does not exist.
        HarnessError: pytest itself failed.
    """
    for path in scenarios:
        if not path.exists():
            raise UsageError(f"no scenarios at {path}; `scenarios` in overbooked.toml says where they are")
    if ignored := not_read():
        listener.noticed(ignored)
    plan.write(plan.folder / PLAN_FILE)
    recorder = Recorder(plan, listener)
    arguments = [
        *map(str, scenarios),
        f"--overbooked-plan={plan.folder / PLAN_FILE}",
        *_beside(workers),
        *quietly(scenarios, plan.root),
        "--tb=short",
    ]
    with _Watch(plan) as watch, undisturbed():
        try:
            status = pytest.main(arguments, plugins=[recorder, *_watching(watcher)])
        except KeyboardInterrupt:
            recorder.interrupted = True
            status = pytest.ExitCode.INTERRUPTED
    if recorder.broken_files:
        raise UsageError("; ".join(recorder.broken_files))
    if recorder.interrupted:
        return Ended(interrupted=not watch.struck, overdue=watch.struck)
    if status == pytest.ExitCode.USAGE_ERROR:
        raise HarnessError(f"pytest refused to run: {' '.join(arguments)}")
    if recorder.failed is not None:
        raise recorder.failed
    if status == pytest.ExitCode.INTERNAL_ERROR:
        raise HarnessError("pytest broke; see the errors above")
    return Ended()


class _Watching:
    """Makes a watcher known to the session by its name."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._watcher, WATCHER)


def _watching(watcher: Watcher | None) -> tuple[_Watching, ...]:
    return (_Watching(watcher),) if watcher is not None else ()


def _beside(workers: int) -> tuple[str, ...]:
    if not workers:
        return ()
    return (
        *("-p", "xdist.plugin", "-n", str(workers), "--dist=loadscope", "--no-loadscope-reorder"),
        f"--max-worker-restart={RESTARTS}",
    )


class _Watch:
    """Ends a session that outlives its deadline although its workers should have kept it."""

    def __init__(self, plan: Plan) -> None:
        self._deadline_at = plan.deadline_at
        self._mark = SuspensionMark(plan.folder)
        self._over = threading.Event()
        self.struck = False

    def __enter__(self) -> _Watch:
        if self._deadline_at is not None:
            threading.Thread(target=self._look, name="deadline", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _look(self) -> None:
        assert self._deadline_at is not None
        limit = self._deadline_at + DEADLINE_GRACE_S
        while not self._over.wait(max(1.0, limit - time.time())):
            if time.time() >= limit and not debugger_attached() and not self._mark.is_fresh():
                self.struck = True
                os.kill(os.getpid(), signal.SIGINT)
                return
