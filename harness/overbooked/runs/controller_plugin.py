"""The controller's side of a session: converts the reports of workers to events for a listener."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator, Mapping
from typing import Any, Protocol

import psutil
import pytest

from overbooked.errors import HarnessError
from overbooked.plain_text import bounded, clean
from overbooked.runs import collected as collection
from overbooked.runs import interrupts
from overbooked.runs.collected import CollectedTrial
from overbooked.runs.plan import Plan
from overbooked.runs.result import PROPERTY, TrialResult
from overbooked.runs.xdist_scheduling import ByVariant

# A worker that received a termination request closes its stack first.
WORKER_END_S = 30.0
LINE_CHARACTERS = 1_000  # of a message outside any trial


class SessionListener(Protocol):
    """Receives the events of a session."""

    def collected(self, trials: Mapping[str, CollectedTrial]) -> None:
        """These trials will run, by node id."""

    def started(self, trial: CollectedTrial) -> None: ...

    def ended(self, result: TrialResult) -> None: ...

    def troubled(self, message: str) -> None:
        """An error occurred outside any trial."""

    def noticed(self, message: str) -> None:
        """A message for the user that changes no verdict."""


class ControllerPlugin:
    """A pytest plugin of the controller that replaces pytest's terminal reporter.

    Args:
        plan: the plan of the run; the workers write their collected trials to its folder.
        listener: receives the events, in the controller's main thread.
    """

    def __init__(self, plan: Plan, listener: SessionListener) -> None:
        self._plan = plan
        self._listener = listener
        self._trials: Mapping[str, CollectedTrial] = {}
        self._workers: dict[str, int] = {}
        self.interrupted = False
        self.failed: HarnessError | None = None
        self.broken_files: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            config.pluginmanager.unregister(reporter)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self) -> Generator[None, None, None]:
        """Start workers with SIGINT ignored until they have installed the controller's handler."""
        with interrupts.workers_ignore_sigint():
            yield

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> ByVariant:
        return ByVariant(config, log, self._group_of)

    def _group_of(self, nodeid: str) -> str | None:
        trial = self._trials.get(nodeid)
        return self._plan.group(trial.trial) if trial else None

    # -- events --------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: Any) -> None:
        # execnet has no public API for the pid; the workers are always its local child processes.
        self._workers[node.gateway.id] = node.gateway._io.popen.pid

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if error and not self.interrupted:
            self._listener.troubled(f"worker {node.gateway.id} died: {error}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        self._collected()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        self._collected()

    def _collected(self) -> None:
        if not self._trials and not self.broken_files:
            self._trials = collection.read(self._plan.folder)
            self._listener.collected(self._trials)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            text = f"{report.nodeid or 'collection'}: {last_line(report.longreprtext)}"
            if text not in self.broken_files:
                self.broken_files.append(text)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if nodeid in self._trials:
            self._listener.started(self._trials[nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name == PROPERTY:
                    self._listener.ended(TrialResult.decode(str(value)))
        elif report.when not in ("setup", "call") and report.nodeid in self._trials:
            # xdist's report of an item during which the worker died.
            trial = self._trials[report.nodeid]
            reason = f"the worker died: {last_line(report.longreprtext)}"
            self._listener.ended(TrialResult.failed(trial.scenario, trial.trial, trial.clauses, reason))

    def pytest_internalerror(self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        if isinstance(excinfo.value, HarnessError):
            self.failed = excinfo.value
        else:
            self._listener.troubled(f"pytest failed with an internal error: {last_line(str(excrepr))}")
        return True

    # -- the end -------------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self) -> None:
        self.interrupted = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Request the workers to end, and let them close their stacks before xdist kills them."""
        if not self.interrupted:
            return
        alive = [pid for pid in self._workers.values() if _running(pid)]
        for pid in alive:
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + WORKER_END_S
        while any(map(_running, alive)) and time.monotonic() < until:
            time.sleep(0.02)  # execnet's child process; only execnet may wait for it


def _running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def last_line(text: str) -> str:
    """Return the line of a pytest report that states the error."""
    lines = [bounded(clean(line.strip()), LINE_CHARACTERS) for line in text.splitlines() if line.strip()]
    if not lines:
        return "no reason given"
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
    return errors[0] if errors else lines[-1]
