"""Runs one pytest session over a plan: the controller in this process, and its workers."""

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
from overbooked.runs.controller_plugin import ControllerPlugin, SessionListener
from overbooked.runs.deadlines import SuspensionMark, debugger_attached
from overbooked.runs.exploration_options import WATCHER, ExplorationObserver
from overbooked.runs.isolation import not_read, quietly, undisturbed
from overbooked.runs.plan import Plan

PLAN_FILE = "plan.json"
# Workers enforce the deadline themselves; the controller ends the session if one does not.
DEADLINE_GRACE_S = 20.0
RESTARTS = 4


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The end of a session: `interrupted` by the user, or `overdue` at the deadline."""

    interrupted: bool = False
    overdue: bool = False


def run_session(
    plan: Plan,
    scenarios: Sequence[Path],
    *,
    workers: int,
    listener: SessionListener,
    watcher: ExplorationObserver | None = None,
) -> SessionEnd:
    """Run every trial of a plan. The caller has installed `interrupts.handle_interrupts`.

    Args:
        plan: the plan; the workers write their collected trials to its directory.
        scenarios: folders or files.
        workers: number of processes, each with its own stack; 0 runs everything in this process.
        listener: receives the events of the session.
        watcher: observes explorations if everything runs in this process.

    Raises:
        UsageError: there are no scenarios, or one cannot be imported or is bound to an unknown gap.
        HarnessError: pytest itself failed.
    """
    for path in scenarios:
        if not path.exists():
            raise UsageError(f"no scenarios at {path}; `scenarios` in overbooked.toml says where they are")
    if ignored := not_read():
        listener.noticed(ignored)
    plan.write(plan.folder / PLAN_FILE)
    recorder = ControllerPlugin(plan, listener)
    arguments = [
        *map(str, scenarios),
        f"--overbooked-plan={plan.folder / PLAN_FILE}",
        *_xdist_arguments(workers),
        *quietly(scenarios, plan.root),
        "--tb=short",
    ]
    with _DeadlineWatch(plan) as watch, undisturbed():
        try:
            status = pytest.main(arguments, plugins=[recorder, *_observer_plugins(watcher)])
        except KeyboardInterrupt:
            recorder.interrupted = True
            status = pytest.ExitCode.INTERRUPTED
    if recorder.broken_files:
        raise UsageError("; ".join(recorder.broken_files))
    if recorder.interrupted:
        return SessionEnd(interrupted=not watch.struck, overdue=watch.struck)
    if status == pytest.ExitCode.USAGE_ERROR:
        raise HarnessError(f"pytest refused to run: {' '.join(arguments)}")
    if recorder.failed is not None:
        raise recorder.failed
    if status == pytest.ExitCode.INTERNAL_ERROR:
        raise HarnessError("pytest failed with an internal error; see the errors above")
    return SessionEnd()


class _ObserverPlugin:
    """Registers an observer with the session by its name."""

    def __init__(self, watcher: ExplorationObserver) -> None:
        self._watcher = watcher

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._watcher, WATCHER)


def _observer_plugins(watcher: ExplorationObserver | None) -> tuple[_ObserverPlugin, ...]:
    return (_ObserverPlugin(watcher),) if watcher is not None else ()


def _xdist_arguments(workers: int) -> tuple[str, ...]:
    if not workers:
        return ()
    return (
        *("-p", "xdist.plugin", "-n", str(workers), "--dist=loadscope", "--no-loadscope-reorder"),
        f"--max-worker-restart={RESTARTS}",
    )


class _DeadlineWatch:
    """Ends a session that exceeds its deadline because a worker did not enforce it."""

    def __init__(self, plan: Plan) -> None:
        self._deadline_at = plan.deadline_at
        self._mark = SuspensionMark(plan.folder)
        self._over = threading.Event()
        self.struck = False

    def __enter__(self) -> _DeadlineWatch:
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
