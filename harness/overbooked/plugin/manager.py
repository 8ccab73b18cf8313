"""The session's bookkeeper: what the plugin's hooks and fixtures do when there are scenarios."""

from __future__ import annotations

import hashlib
import unittest
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pytest

from overbooked.config import Settings
from overbooked.descriptor import Descriptor
from overbooked.errors import DeadlineExceeded, GapFound, HarnessError, NotSupported, SystemDied
from overbooked.journeys.alone import outcomes, wrong_adapter
from overbooked.plain_text import bounded, clean
from overbooked.plugin import items as docket
from overbooked.plugin import lending
from overbooked.plugin.attachments import bounded_result
from overbooked.plugin.bundle_writer import Bundling
from overbooked.plugin.items import ENTRY
from overbooked.plugin.stack_manager import StackKeeper
from overbooked.plugin.trial_state import Sitting
from overbooked.profiles import Budget, load_profile
from overbooked.runs import collected as collection
from overbooked.runs import interrupts
from overbooked.runs.deadlines import Limit, SuspensionMark, limited
from overbooked.runs.plan import Plan, Trial, Variant
from overbooked.runs.planning import plain_plan
from overbooked.runs.result import PROPERTY
from overbooked.runs.stack_factory import descriptor_of
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.client import Patience
from overbooked.targets.system import System
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict

SITTING = pytest.StashKey[Sitting]()
LIMIT = pytest.StashKey[Limit]()

# Starting a stack for the first time unpacks binaries and migrates a template.
SETUP_LIMIT_S = 240.0
TEARDOWN_LIMIT_S = 60.0
# How many times its profile's time a scenario may take, where its race has more schedules than foreseen.
GROWTH = 5
# What a report of pytest says at most, of a traceback and of each section of output.
REPORT_CHARACTERS = 50_000


class Clerk:
    """Reads the plan, assigns trials to items, and enters each trial's result into its report."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        option = config.getoption("overbooked_plan")
        drawn = getattr(config, "workerinput", {}).get("overbooked_seed")
        self.plan = Plan.read(Path(option)) if option else plain_plan(config.rootpath, drawn)
        self.settings = Settings.load(self.plan.settings, config=self.plan.config, start=self.plan.start)
        self.catalog = self.settings.catalog()
        self._opened: defaultdict[Trial, set[str]] = defaultdict(set)
        self._mark = SuspensionMark(self.plan.directory) if self.plan.directory else None

    # -- collection ----------------------------------------------------------------------------

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """One item a trial; a scenario bound to what does not exist ends the session."""
        with _usage_errors():
            docket.parametrize(metafunc, self.plan, self.catalog)

    def select(self, items: list[pytest.Item]) -> None:
        """Drop what nobody asked for and put the rest in order, in place."""
        with _usage_errors():
            wanted, unwanted = docket.select(items, self.plan, self.catalog)
        items[:] = wanted
        if unwanted:
            self.config.hook.pytest_deselected(items=unwanted)

    def announce(self, items: Sequence[pytest.Item]) -> None:
        """Tell the controller which trials there are."""
        if self.plan.directory is not None:
            collection.write(items, self.plan.directory)

    # -- one trial -----------------------------------------------------------------------------

    @contextmanager
    def sitting(self, item: pytest.Item) -> Iterator[None]:
        """Open the book for an item before its setup."""
        entry = item.stash[ENTRY]
        by = {clause.name: clause.by for clause in self.catalog.clauses_of(entry.bound)}
        item.stash[SITTING] = Sitting(
            entry.scenario,
            entry.trial,
            Judge(entry.bound, entry.scenario, by),
            entry.asked,
            self._broken_by(self.plan.variant(entry.trial.variant).mutant),
            entry.family,
        )
        yield

    @contextmanager
    def setting_up(self, item: pytest.Item) -> Iterator[None]:
        """Bound the setup in time; what the target cannot do is skipped."""
        limit = Limit(SETUP_LIMIT_S, self.plan.deadline_at, self._mark)
        if limit.passed():
            raise limit.exceeded()
        with self._skipping(item), limit.alarm():
            yield

    @contextmanager
    def calling(self, item: pytest.Item) -> Iterator[None]:
        """Bound the scenario in time, and fail it for what it ruled without raising."""
        seconds = self._seconds(item)
        # A limit that somebody has set is kept; the profile's foresees races of the usual size.
        most = seconds if self.plan.scenario_timeout_s is not None else seconds * GROWTH
        limit = item.stash[LIMIT] = Limit(seconds, self.plan.deadline_at, self._mark, most=most)
        place = docket.coroutine_of(item)
        with self._skipping(item), limit.alarm(), pytest.MonkeyPatch.context() as patch:
            if place:
                owner, attribute = place
                patch.setattr(owner, attribute, limited(getattr(owner, attribute), limit))
            yield
        shortfall = item.stash[SITTING].shortfall()
        if shortfall is not None:
            raise shortfall

    @contextmanager
    def tearing_down(self) -> Iterator[None]:
        """Bound the teardown in time."""
        with Limit(TEARDOWN_LIMIT_S).alarm():
            yield

    @contextmanager
    def _skipping(self, item: pytest.Item) -> Iterator[None]:
        try:
            yield
        except NotSupported as error:
            item.stash[SITTING].raised(error)
            pytest.skip(str(error))

    def enter(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take what a phase raised; after the last one the result travels with the report."""
        _make_plain(report)
        sitting = item.stash[SITTING]
        if call.excinfo is not None:
            sitting.raised(
                _meaning(call.excinfo.value, call.when), "" if report.skipped else report.longreprtext
            )
        if call.when == "teardown":
            concluded = bounded_result(sitting.conclude(), self.plan)
            result = self._bundling.kept(concluded, self.seed(item))
            self._opened[result.trial].update(
                ruled.clause for ruled in result.results if ruled.verdict is Verdict.OPEN
            )
            report.user_properties.append((PROPERTY, result.encode()))
            if result.refusal:
                item.session.shouldstop = result.refusal

    # -- what fixtures give --------------------------------------------------------------------

    def variant(self, item: pytest.Item) -> Variant:
        """The variant an item is judged on."""
        return self.plan.variant(_entry(item).trial.variant)

    def judge(self, item: pytest.Item) -> Judge:
        """The judge of an item."""
        _entry(item)
        return item.stash[SITTING].judge

    def seed(self, item: pytest.Item) -> int:
        """The seed of an item: the same for every variant, another for every repetition."""
        entry = _entry(item)
        orders = self.plan.orders
        if orders is not None and orders.scenario_seed is not None and not entry.trial.repetition:
            return orders.scenario_seed
        material = f"{self.plan.seed}/{entry.scenario}/{entry.trial.repetition}"
        return int.from_bytes(hashlib.sha256(material.encode()).digest()[:8], "big")

    @cached_property
    def _bundling(self) -> Bundling:
        return Bundling(self.plan, self.settings, self.catalog, lambda: self.descriptor)

    @cached_property
    def descriptor(self) -> Descriptor:
        """The system that is judged."""
        return descriptor_of(self.settings)

    @property
    def _receipt_path(self) -> str:
        if self.settings.target.descriptor is None or self.descriptor.mutants is None:
            return ""
        return self.descriptor.mutants.receipt

    def _broken_by(self, mutant: str | None) -> tuple[str, ...]:
        if mutant is None or mutant not in self.catalog.mutants:
            return ()
        return self.catalog.mutant(mutant).breaks

    @cached_property
    def patience(self) -> Patience:
        """How long clients wait for an answer."""
        return Patience(**self.settings.patience.model_dump())

    def budget(self, item: pytest.Item) -> Budget:
        """What an item may spend on the clauses asked of it; a canary gets the quick profile's."""
        entry = _entry(item)
        profile = load_profile("quick") if self.variant(item).small else self.settings.active_profile()
        budget = profile.budget_for(entry.asked)
        if self.plan.neighbouring(entry.trial, entry.asked, self._opened[entry.trial]):
            return budget.shared(self.settings.neighbour_share)
        return budget

    def more_time(self, item: pytest.Item) -> Callable[[float], float]:
        """Asks for more of the scenario's time, once it runs; see `Limit.ask`."""

        def ask(seconds: float) -> float:
            return item.stash[LIMIT].ask(seconds)

        return ask

    def _seconds(self, item: pytest.Item) -> float:
        said = self.plan.scenario_timeout_s
        return said if said is not None else self.budget(item).scenario_s

    def watch(self, item: pytest.Item, system: System) -> None:
        """Let the judge count the requests that succeed."""
        item.stash[SITTING].judge.answered(lambda: _answered(system))

    async def look_at(self, item: pytest.Item, system: System) -> None:
        """At the end of a scenario: whether the adapter can do alone what never succeeded in it."""
        sitting = item.stash[SITTING]
        done, answered = outcomes(system.history), _answered(system)
        # Items live as long as the session; a system and its history do not.
        sitting.judge.answered(lambda: answered)
        if sitting.broke:
            return
        if why := await wrong_adapter(system, done, found=sitting.found):
            sitting.judge.doubts(why)

    async def lend(self, item: pytest.Item, keeper: StackKeeper) -> Stack:
        """A running stack of the item's variant."""
        with interrupts.unwinding():
            return await lending.lend(
                item.stash[SITTING], keeper, self.variant(item), receipt=self._receipt_path
            )

    async def take_back(self, item: pytest.Item, keeper: StackKeeper, stack: Stack) -> None:
        """Check and heal the stack, and keep what it logged."""
        await lending.take_back(item.stash[SITTING], keeper, stack)


def _answered(system: System) -> int:
    """How many requests to a system succeeded, and how many of its jobs came to their end."""
    return sum(operation.ok for operation in system.history) + system.jobs_done


def _entry(item: pytest.Item) -> docket.Entry:
    entry = item.stash.get(ENTRY, None)
    if entry is None:
        raise HarnessError(
            f"{item.nodeid} asks for a scenario's fixture but is bound to no gap; "
            'say which clause it judges: @gap("SYS-03.c")'
        )
    return entry


def _make_plain(report: pytest.TestReport) -> None:
    """Have the report hold nothing that cannot be sent on, and no more of it than can be read."""

    def plain(text: str) -> str:
        return bounded(clean(text), REPORT_CHARACTERS)

    said = report.longrepr
    if isinstance(said, tuple):
        path, line, reason = said
        report.longrepr = (path, line, plain(reason))
    elif said is not None and plain(text := report.longreprtext) != text:
        report.longrepr = plain(text)
    report.sections = [(name, plain(text)) for name, text in report.sections]


def _meaning(error: BaseException, phase: str) -> BaseException:
    """What a raised exception means for the verdict."""
    if isinstance(error, BaseExceptionGroup):
        error = _gravest(error)
    if isinstance(error, pytest.skip.Exception | unittest.SkipTest):
        return HarnessError(f"the scenario was skipped ({error}); it has to run for the clause to be judged")
    if isinstance(error, TimeoutError) and not isinstance(error, OSError):
        return DeadlineExceeded(f"timed out: {error}" if str(error) else "timed out")
    if phase != "call" and isinstance(error, GapFound) and not isinstance(error, SystemDied):
        return HarnessError(f"in {phase}: {error}")
    return error


def _gravest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    leaves: list[BaseException] = []
    rest: list[BaseException] = [group]
    while rest:
        error = rest.pop(0)
        if isinstance(error, BaseExceptionGroup):
            rest.extend(error.exceptions)
        else:
            leaves.append(error)
    for kind in (SystemDied, GapFound):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error
