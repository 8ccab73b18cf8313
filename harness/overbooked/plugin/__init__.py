"""The pytest plugin: the marker `gap`, the fixtures of a scenario and the results of trials.

Every pytest in this environment loads it, so it imports as little as possible until a scenario is collected,
and does nothing in a session without one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from overbooked.plugin.fixtures import ana, bursts, explorer, held_deliveries, slow_statements
from overbooked.plugin.session_state import MANAGER, manager_of

if TYPE_CHECKING:
    import random

    from overbooked.fault_points.scenario_sweeps import Sweeps
    from overbooked.faults.faults import Faults
    from overbooked.journeys.identities import People
    from overbooked.plugin.stack_manager import StackFactory, StackManager
    from overbooked.profiles import Budget
    from overbooked.stacks.base.protocol import Stack
    from overbooked.system.system import System
    from overbooked.verdicts.judge import Judge

RUN_SEED = pytest.StashKey[int]()

__all__ = ["ana", "bursts", "explorer", "held_deliveries", "manager_of", "slow_statements"]


# -- the session --------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("overbooked")
    group.addoption("--overbooked-plan", metavar="FILE", help="the plan of a run, as the CLI writes it")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "gap(*names): binds a scenario to gaps or clauses, e.g. gap('SYS-03.c')"
    )
    worker = getattr(config, "workerinput", None)
    if worker is None:
        if not config.option.overbooked_plan:
            config.pluginmanager.register(TerminalSummary(), "overbooked-ledger")
    elif "overbooked_controller" in worker:
        from overbooked.runs.interrupts import follow_controller  # noqa: PLC0415

        follow_controller(worker["overbooked_controller"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass an xdist worker the controller's process id, and a seed for a session without one."""
    node.workerinput["overbooked_seed"] = node.config.stash.setdefault(RUN_SEED, secrets.randbits(32))
    if node.config.option.overbooked_plan:
        node.workerinput["overbooked_controller"] = os.getpid()


# -- collection ---------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("gap"):
        manager_of(metafunc.config).parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if any(item.get_closest_marker("gap") for item in items):
        from overbooked.stacks.processes.environment import require_assertions  # noqa: PLC0415

        require_assertions()
        manager_of(config).select(items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    if MANAGER in session.config.stash:
        manager_of(session.config).announce(session.items)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Protect the cleanup of a worker from termination signals."""
    if "overbooked_controller" in getattr(session.config, "workerinput", {}):
        from overbooked.runs import interrupts  # noqa: PLC0415

        interrupts.ignore_from_now()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Exit now if a termination signal arrived during the cleanup of a worker."""
    if "overbooked_controller" in getattr(config, "workerinput", {}):
        from overbooked.runs import interrupts  # noqa: PLC0415
        from overbooked.stacks.processes.atexit_guard import dispose_all  # noqa: PLC0415

        dispose_all()
        interrupts.stop_following()


# -- one scenario -------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("gap"):
        return (yield)
    from overbooked.stacks.processes.environment import set_aside  # noqa: PLC0415

    with set_aside(), manager_of(item.config).open_trial(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("gap"):
        return (yield)
    with manager_of(item.config).guard_setup(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("gap"):
        return (yield)
    with manager_of(item.config).guard_call(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("gap"):
        return (yield)
    with manager_of(item.config).guard_teardown():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("gap"):
        manager_of(item.config).record_phase(item, call, report)
    return report


class TerminalSummary:
    """Collects the results of a session started by plain pytest, and prints their summary."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.lines.extend(str(value) for name, value in report.user_properties if name == "overbooked")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.lines:
            from overbooked.plugin.terminal_summary import print_summary  # noqa: PLC0415
            from overbooked.runs.written import expected, written  # noqa: PLC0415

            trials = manager_of(terminalreporter.config)
            root, places = terminalreporter.config.rootpath, self._places(terminalreporter.config)
            # The bundled scenarios do not belong to another project's session.
            near = [root, *places]
            known = [path for path in trials.settings.scenarios if any(_within(one, path) for one in near)]
            there = written([*known, *places], root)
            print_summary(terminalreporter, self.lines, expected(there, trials.catalog), trials.catalog)

    def _places(self, config: pytest.Config) -> list[Path]:
        """Return the files and folders in the session's arguments."""
        base = config.invocation_params.dir
        return [base / argument.partition("::")[0] for argument in config.args]


def _within(one: Path, other: Path) -> bool:
    """Return whether one of two paths is inside the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)


# -- fixtures -----------------------------------------------------------------------------------


@pytest.fixture
def overbooked_trial(request: pytest.FixtureRequest) -> Any:
    """The variant and repetition of this item."""
    return request.param


@pytest.fixture(scope="session")
def stack_factory(request: pytest.FixtureRequest) -> StackFactory:
    """Makes stacks according to the settings; a project's conftest may override it."""
    from overbooked.runs.stack_factory import stack_factory  # noqa: PLC0415

    trials = manager_of(request.config)
    return stack_factory(trials.settings, seed=trials.plan.seed)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_stacks(stack_factory: StackFactory) -> AsyncIterator[StackManager]:
    """This worker's stacks; always closed at the end of the session."""
    from overbooked.plugin.stack_manager import StackManager  # noqa: PLC0415

    manager = StackManager(stack_factory)
    try:
        yield manager
    finally:
        await manager.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stack(request: pytest.FixtureRequest, worker_stacks: StackManager) -> AsyncIterator[Stack]:
    """The running stack of this scenario's variant; healed and checked after the scenario."""
    trials = manager_of(request.config)
    stack = await trials.acquire_stack(request.node, worker_stacks)
    yield stack
    await trials.release_stack(request.node, worker_stacks, stack)


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """The judge, which rules on the scenario's clauses and keeps the evidence."""
    return manager_of(request.config).judge(request.node)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The scenario's own seed, derived from the run's seed and the scenario's name."""
    return manager_of(request.config).seed(request.node)


@pytest.fixture
def rng(seed: int) -> random.Random:
    """The scenario's random generator, seeded with `seed`."""
    import random  # noqa: PLC0415

    return random.Random(seed)


@pytest.fixture
def budget(request: pytest.FixtureRequest) -> Budget:
    """The numbers of rounds, examples, moments etc. that the profile allows this scenario."""
    return manager_of(request.config).budget(request.node)


@pytest.fixture
def people(seed: int) -> People:
    """Generates new identities, reproducible by seed."""
    from overbooked.journeys.identities import People  # noqa: PLC0415

    return People(seed)


@pytest_asyncio.fixture(loop_scope="session")
async def system(
    request: pytest.FixtureRequest, stack: Stack, seed: int, people: People
) -> AsyncIterator[System]:
    """The system under test, bound to this scenario's stack."""
    from overbooked.system.loading import bind  # noqa: PLC0415

    trials = manager_of(request.config)
    system = await bind(stack, trials.descriptor, seed=seed, identities=people, patience=trials.patience)
    trials.watch(request.node, system)
    try:
        yield system
        await trials.look_at(request.node, system)
    finally:
        await system.close()


@pytest.fixture
def sweeps(
    request: pytest.FixtureRequest, stack: Stack, system: System, judge: Judge, rng: random.Random
) -> Sweeps:
    """Sweeps a journey of the system: injects faults at each boundary and judges the resulting state."""
    from overbooked.fault_points.registry import registered  # noqa: PLC0415
    from overbooked.fault_points.scenario_sweeps import Sweeps  # noqa: PLC0415
    from overbooked.recording import RecordedFaults  # noqa: PLC0415
    from overbooked.runs.exploration_options import WATCHER  # noqa: PLC0415

    orders = manager_of(request.config).plan.orders
    plan = orders.faults if orders is not None else None
    observer = request.config.pluginmanager.get_plugin(WATCHER)
    return Sweeps(
        stack,
        system,
        judge,
        rng,
        journeys=registered(vars(request.module).values()),
        script=RecordedFaults.model_validate(plan) if plan is not None else None,
        observe=observer.swept if observer is not None else None,
    )


@pytest.fixture
def faults(request: pytest.FixtureRequest, stack: Stack, judge: Judge) -> Faults:
    """The faults that can be injected into the links and processes of this scenario's stack."""
    import time  # noqa: PLC0415

    from overbooked.faults.faults import Faults  # noqa: PLC0415

    started = time.monotonic()
    allow = manager_of(request.config).settings.stack.allow_hosts
    return Faults(stack, judge.receive, lambda: time.monotonic() - started, allow=allow)
