"""The pytest plugin: the marker `gap`, the fixtures of a scenario and the bookkeeping of verdicts.

It is loaded by every pytest in this environment, so it imports next to nothing until a scenario is
collected, and does nothing in a session without one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    import random

    from overbooked.bursts.bursts import Races
    from overbooked.faults.toolbox import Faults
    from overbooked.interleavings.explorer import Explore
    from overbooked.journeys.identities import People
    from overbooked.plugin.manager import Clerk
    from overbooked.plugin.stack_manager import StackFactory, StackKeeper
    from overbooked.profiles import Budget
    from overbooked.stacks.base.protocol import Stack
    from overbooked.targets.system import System
    from overbooked.verdicts.judge import Judge

CLERK = pytest.StashKey["Clerk"]()
DRAWN = pytest.StashKey[int]()


def clerk_of(config: pytest.Config) -> Clerk:
    """The session's bookkeeper, made when the first scenario asks for it."""
    if CLERK not in config.stash:
        from overbooked.plugin.manager import Clerk  # noqa: PLC0415

        config.stash[CLERK] = Clerk(config)
    return config.stash[CLERK]


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
            config.pluginmanager.register(PlainLedger(), "overbooked-ledger")
    elif "overbooked_controller" in worker:
        from overbooked.runs.interrupts import obey  # noqa: PLC0415

        obey(worker["overbooked_controller"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker whose word counts, and the seed where nobody chose one."""
    node.workerinput["overbooked_seed"] = node.config.stash.setdefault(DRAWN, secrets.randbits(32))
    if node.config.option.overbooked_plan:
        node.workerinput["overbooked_controller"] = os.getpid()


# -- collection ---------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("gap"):
        clerk_of(metafunc.config).parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if any(item.get_closest_marker("gap") for item in items):
        from overbooked.stacks.processes.environment import require_assertions  # noqa: PLC0415

        require_assertions()
        clerk_of(config).select(items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    if CLERK in session.config.stash:
        clerk_of(session.config).announce(session.items)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """From here on a worker cleans up anyway: being told to end must not disturb it."""
    if "overbooked_controller" in getattr(session.config, "workerinput", {}):
        from overbooked.runs import interrupts  # noqa: PLC0415

        interrupts.note_only()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """A worker has closed its stack by now; if it was told to end, it must not linger."""
    if "overbooked_controller" in getattr(config, "workerinput", {}):
        from overbooked.runs import interrupts  # noqa: PLC0415
        from overbooked.stacks.processes.atexit_guard import dispose_all  # noqa: PLC0415

        dispose_all()
        interrupts.dismiss()


# -- one scenario -------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("gap"):
        return (yield)
    from overbooked.stacks.processes.environment import set_aside  # noqa: PLC0415

    with set_aside(), clerk_of(item.config).sitting(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("gap"):
        return (yield)
    with clerk_of(item.config).setting_up(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("gap"):
        return (yield)
    with clerk_of(item.config).calling(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("gap"):
        return (yield)
    with clerk_of(item.config).tearing_down():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("gap"):
        clerk_of(item.config).enter(item, call, report)
    return report


class PlainLedger:
    """Keeps the results of a session that the command line did not start, for its summary."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.lines.extend(str(value) for name, value in report.user_properties if name == "overbooked")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.lines:
            from overbooked.plugin.terminal_summary import summarise  # noqa: PLC0415
            from overbooked.runs.written import expected, written  # noqa: PLC0415

            clerk = clerk_of(terminalreporter.config)
            root, places = terminalreporter.config.rootpath, self._places(terminalreporter.config)
            # The bundled scenarios are no part of another project's session.
            near = [root, *places]
            known = [path for path in clerk.settings.scenarios if any(_within(one, path) for one in near)]
            there = written([*known, *places], root)
            summarise(terminalreporter, self.lines, expected(there, clerk.catalog), clerk.catalog)

    def _places(self, config: pytest.Config) -> list[Path]:
        """The files and folders that the session was pointed at."""
        base = config.invocation_params.dir
        return [base / argument.partition("::")[0] for argument in config.args]


def _within(one: Path, other: Path) -> bool:
    """Whether one of two paths is inside the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)


# -- fixtures -----------------------------------------------------------------------------------


@pytest.fixture
def overbooked_trial(request: pytest.FixtureRequest) -> Any:
    """The variant and repetition that this item stands for."""
    return request.param


@pytest.fixture(scope="session")
def stack_factory(request: pytest.FixtureRequest) -> StackFactory:
    """Makes stacks as the settings say; a project's own conftest may give another."""
    from overbooked.runs.stack_factory import factory  # noqa: PLC0415

    clerk = clerk_of(request.config)
    return factory(clerk.settings, seed=clerk.plan.seed)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack_keeper(stack_factory: StackFactory) -> AsyncIterator[StackKeeper]:
    """This worker's stacks, closed at the end whatever happens."""
    from overbooked.plugin.stack_manager import StackKeeper  # noqa: PLC0415

    keeper = StackKeeper(stack_factory)
    try:
        yield keeper
    finally:
        await keeper.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stack(request: pytest.FixtureRequest, stack_keeper: StackKeeper) -> AsyncIterator[Stack]:
    """The running stack of this scenario's variant; healed and checked after the scenario."""
    clerk = clerk_of(request.config)
    stack = await clerk.lend(request.node, stack_keeper)
    yield stack
    await clerk.take_back(request.node, stack_keeper, stack)


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Rules on the scenario's clauses and keeps its evidence."""
    return clerk_of(request.config).judge(request.node)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The scenario's own seed, derived from the run's seed and the scenario's name."""
    return clerk_of(request.config).seed(request.node)


@pytest.fixture
def rng(seed: int) -> random.Random:
    """The scenario's own source of randomness."""
    import random  # noqa: PLC0415

    return random.Random(seed)


@pytest.fixture
def budget(request: pytest.FixtureRequest) -> Budget:
    """How many rounds, examples, moments ... the profile grants this scenario."""
    return clerk_of(request.config).budget(request.node)


@pytest.fixture
def people(seed: int) -> People:
    """Where new people come from, the same for the same seed."""
    from overbooked.journeys.identities import People  # noqa: PLC0415

    return People(seed)


@pytest_asyncio.fixture(loop_scope="session")
async def system(
    request: pytest.FixtureRequest, stack: Stack, seed: int, people: People
) -> AsyncIterator[System]:
    """The system under test, bound to this scenario's stack."""
    from overbooked.targets.loading import bind  # noqa: PLC0415

    clerk = clerk_of(request.config)
    system = await bind(stack, clerk.descriptor, seed=seed, people=people, patience=clerk.patience)
    clerk.watch(request.node, system)
    try:
        yield system
        await clerk.look_at(request.node, system)
    finally:
        await system.close()


@pytest_asyncio.fixture(loop_scope="session")
async def races(
    request: pytest.FixtureRequest, stack: Stack, system: System, judge: Judge, budget: Budget, seed: int
) -> AsyncIterator[Races]:
    """Plays races against the system, many requests released in one instant."""
    from overbooked.bursts.bursts import Races  # noqa: PLC0415
    from overbooked.faults.allowed_hosts import Aim  # noqa: PLC0415
    from overbooked.plugin.explorer_factory import after_bursts  # noqa: PLC0415
    from overbooked.runs.exploration_options import WATCHER  # noqa: PLC0415

    clerk = clerk_of(request.config)
    service = clerk.descriptor.service("app")
    guard = Aim(stack, clerk.settings.stack.allow_hosts).burst
    warm_path = service.health if service else "/"
    follow, script = after_bursts(
        stack,
        system,
        judge,
        budget,
        settings=clerk.settings,
        seed=seed,
        orders=clerk.plan.orders,
        watcher=request.config.pluginmanager.get_plugin(WATCHER),
    )
    races = Races(
        system,
        judge,
        guard=guard,
        warm_path=warm_path,
        patience=clerk.patience,
        explore=follow,
        script=script,
        logs=lambda: {name: stack.log_tail(name) for name in stack.replicas},
    )
    try:
        yield races
    finally:
        await races.close()
        if script is not None:
            await script.explore.close()


@pytest_asyncio.fixture(loop_scope="session")
async def explore(
    request: pytest.FixtureRequest, stack: Stack, system: System, judge: Judge, budget: Budget, seed: int
) -> AsyncIterator[Explore]:
    """Explores races statement by statement; every schedule within a bound of preemptions."""
    from overbooked.plugin.explorer_factory import explorer  # noqa: PLC0415
    from overbooked.runs.exploration_options import WATCHER  # noqa: PLC0415

    clerk = clerk_of(request.config)
    explore = explorer(
        stack,
        system,
        judge,
        budget,
        settings=clerk.settings,
        seed=seed,
        orders=clerk.plan.orders,
        watcher=request.config.pluginmanager.get_plugin(WATCHER),
        ask=clerk.more_time(request.node),
    )
    try:
        yield explore
    finally:
        await explore.close()


@pytest.fixture
def faults(request: pytest.FixtureRequest, stack: Stack, judge: Judge) -> Faults:
    """What can be done to the links and processes of this scenario's stack."""
    import time  # noqa: PLC0415

    from overbooked.faults.toolbox import Faults  # noqa: PLC0415

    started = time.monotonic()
    allow = clerk_of(request.config).settings.stack.allow_hosts
    return Faults(stack, judge.receive, lambda: time.monotonic() - started, allow=allow)
