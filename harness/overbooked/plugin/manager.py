"""The trial manager of a session: assigns trials to items and writes each result into its report."""

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
from overbooked.plugin import items as trial_items
from overbooked.plugin.attachments import bounded_result
from overbooked.plugin.bundle_writer import BundleWriter
from overbooked.plugin.items import TRIAL_ITEM
from overbooked.plugin.stack_manager import StackManager
from overbooked.plugin.trial_state import TrialState
from overbooked.profiles import Budget, load_profile
from overbooked.runs import collected as collection
from overbooked.runs import interrupts
from overbooked.runs.deadlines import Limit, SuspensionMark, with_limit
from overbooked.runs.plan import Plan, Trial, Variant
from overbooked.runs.planning import plain_plan
from overbooked.runs.result import PROPERTY
from overbooked.runs.stack_factory import load_descriptor
from overbooked.stacks.base.protocol import Stack
from overbooked.system.system import System
from overbooked.targets.client import ClientTimeouts
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict

TRIAL_STATE = pytest.StashKey[TrialState]()
LIMIT = pytest.StashKey[Limit]()

# The first start of a stack unpacks binaries and migrates a template.
SETUP_LIMIT_S = 240.0
TEARDOWN_LIMIT_S = 60.0
# Factor by which a scenario may exceed its profile's time if its race has more schedules than expected.
GROWTH = 5
# Maximum length of a traceback and of each output section in a pytest report.
REPORT_CHARACTERS = 50_000


class TrialManager:
    """Reads the plan, assigns trials to items, and writes each trial's result into its report."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        option = config.getoption("overbooked_plan")
        drawn = getattr(config, "workerinput", {}).get("overbooked_seed")
        self.plan = Plan.read(Path(option)) if option else plain_plan(config.rootpath, drawn)
        self.settings = Settings.load(self.plan.settings, config=self.plan.config, start=self.plan.start)
        self.catalog = self.settings.catalog()
        self._elsewhere: list[trial_items.TrialItem] = []
        self._opened: defaultdict[Trial, set[str]] = defaultdict(set)
        self._mark = SuspensionMark(self.plan.directory) if self.plan.directory else None

    # -- collection ----------------------------------------------------------------------------

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Create one item per trial; a scenario bound to an unknown gap ends the session."""
        with _usage_errors():
            trial_items.parametrize(metafunc, self.plan, self.catalog)

    def select(self, items: list[pytest.Item]) -> None:
        """Deselect items that are not requested and sort the rest, in place."""
        with _usage_errors():
            wanted, unwanted, self._elsewhere = trial_items.select(items, self.plan, self.catalog)
        items[:] = wanted
        if unwanted:
            self.config.hook.pytest_deselected(items=unwanted)

    def announce(self, items: Sequence[pytest.Item]) -> None:
        """Report the collected trials to the controller."""
        if self.plan.directory is not None:
            collection.write(items, self.plan.directory, self._elsewhere)

    # -- one trial -----------------------------------------------------------------------------

    @contextmanager
    def open_trial(self, item: pytest.Item) -> Iterator[None]:
        """Make the trial state of an item before its setup."""
        entry = item.stash[TRIAL_ITEM]
        by = {clause.name: clause.by for clause in self.catalog.clauses_of(entry.bound)}
        item.stash[TRIAL_STATE] = TrialState(
            entry.scenario,
            entry.trial,
            Judge(entry.bound, entry.scenario, by),
            entry.asked,
            self._broken_by(self.plan.variant(entry.trial.variant).mutant),
            entry.family,
        )
        yield

    @contextmanager
    def guard_setup(self, item: pytest.Item) -> Iterator[None]:
        """Limit the time of the setup; skip a scenario that the target does not support."""
        limit = Limit(SETUP_LIMIT_S, self.plan.deadline_at, self._mark)
        if limit.expired():
            raise limit.exceeded()
        with self._skipping(item), limit.alarm():
            yield

    @contextmanager
    def guard_call(self, item: pytest.Item) -> Iterator[None]:
        """Limit the time of the scenario; fail it if its judge ruled a clause open without raising."""
        seconds = self._seconds(item)
        # A limit from the settings is fixed; the profile's limit assumes races of the usual size.
        most = seconds if self.plan.scenario_timeout_s is not None else seconds * GROWTH
        limit = item.stash[LIMIT] = Limit(seconds, self.plan.deadline_at, self._mark, most=most)
        place = trial_items.coroutine_of(item)
        with self._skipping(item), limit.alarm(), pytest.MonkeyPatch.context() as patch:
            if place:
                owner, attribute = place
                patch.setattr(owner, attribute, with_limit(getattr(owner, attribute), limit))
            yield
        shortfall = item.stash[TRIAL_STATE].missing_failure()
        if shortfall is not None:
            raise shortfall

    @contextmanager
    def guard_teardown(self) -> Iterator[None]:
        """Limit the time of the teardown."""
        with Limit(TEARDOWN_LIMIT_S).alarm():
            yield

    @contextmanager
    def _skipping(self, item: pytest.Item) -> Iterator[None]:
        try:
            yield
        except NotSupported as error:
            item.stash[TRIAL_STATE].raised(error)
            pytest.skip(str(error))

    def record_phase(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Record the exception of a phase; after the teardown, add the result to the report."""
        _make_plain(report)
        state = item.stash[TRIAL_STATE]
        if call.excinfo is not None:
            state.raised(
                _classify(call.excinfo.value, call.when), "" if report.skipped else report.longreprtext
            )
        if call.when == "teardown":
            concluded = bounded_result(state.conclude(), self.plan)
            result = self._bundle_writer.with_bundles(concluded, self.seed(item))
            self._opened[result.trial].update(
                ruled.clause for ruled in result.results if ruled.verdict is Verdict.OPEN
            )
            report.user_properties.append((PROPERTY, result.encode()))
            if result.refusal:
                item.session.shouldstop = result.refusal

    # -- values of fixtures --------------------------------------------------------------------

    def variant(self, item: pytest.Item) -> Variant:
        """Return the variant of an item."""
        return self.plan.variant(_entry(item).trial.variant)

    def judge(self, item: pytest.Item) -> Judge:
        """Return the judge of an item."""
        _entry(item)
        return item.stash[TRIAL_STATE].judge

    def seed(self, item: pytest.Item) -> int:
        """Return the seed of an item: equal for all variants, different for each repetition."""
        entry = _entry(item)
        orders = self.plan.orders
        if orders is not None and orders.scenario_seed is not None and not entry.trial.repetition:
            return orders.scenario_seed
        material = f"{self.plan.seed}/{entry.scenario}/{entry.trial.repetition}"
        return int.from_bytes(hashlib.sha256(material.encode()).digest()[:8], "big")

    @cached_property
    def _bundle_writer(self) -> BundleWriter:
        return BundleWriter(self.plan, self.settings, self.catalog, lambda: self.descriptor)

    @cached_property
    def descriptor(self) -> Descriptor:
        """The descriptor of the system under test."""
        return load_descriptor(self.settings)

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
    def patience(self) -> ClientTimeouts:
        """The timeouts of clients."""
        return ClientTimeouts(**self.settings.patience.model_dump())

    def budget(self, item: pytest.Item) -> Budget:
        """Return the budget of an item for its requested clauses; a canary gets the quick profile's."""
        entry = _entry(item)
        profile = load_profile("quick") if self.variant(item).small else self.settings.active_profile()
        budget = profile.budget_for(entry.asked)
        if self.plan.checks_side_effects_only(entry.trial, entry.asked, self._opened[entry.trial]):
            return budget.shared(self.settings.neighbour_share)
        return budget

    def more_time(self, item: pytest.Item) -> Callable[[float], float]:
        """Return a function that requests more time for the running scenario; see `Limit.ask`."""

        def ask(seconds: float) -> float:
            return item.stash[LIMIT].ask(seconds)

        return ask

    def _seconds(self, item: pytest.Item) -> float:
        said = self.plan.scenario_timeout_s
        return said if said is not None else self.budget(item).scenario_s

    def watch(self, item: pytest.Item, system: System) -> None:
        """Let the judge count the successful requests."""
        item.stash[TRIAL_STATE].judge.answered(lambda: _answered(system))

    async def look_at(self, item: pytest.Item, system: System) -> None:
        """At the end of a scenario, check whether verbs that never succeeded in it succeed alone."""
        state = item.stash[TRIAL_STATE]
        done, answered = outcomes(system.history), _answered(system)
        # An item lives as long as the session, but the system and its history must be freed earlier.
        state.judge.answered(lambda: answered)
        if state.broke:
            return
        if why := await wrong_adapter(system, done, found=state.found):
            state.judge.doubts(why)

    async def acquire_stack(self, item: pytest.Item, stacks: StackManager) -> Stack:
        """Acquire a running stack of the item's variant."""
        with interrupts.cancel_on_interrupt():
            return await stacks.acquire(
                item.stash[TRIAL_STATE], self.variant(item), receipt=self._receipt_path
            )

    async def release_stack(self, item: pytest.Item, stacks: StackManager, stack: Stack) -> None:
        """Release the stack: check it, heal it and keep its logs."""
        await stacks.release(item.stash[TRIAL_STATE], stack)


def _answered(system: System) -> int:
    """Return the number of successful requests to a system plus the number of its completed jobs."""
    return sum(operation.ok for operation in system.history) + system.jobs_run


def _entry(item: pytest.Item) -> trial_items.TrialItem:
    entry = item.stash.get(TRIAL_ITEM, None)
    if entry is None:
        raise HarnessError(
            f"{item.nodeid} uses a scenario fixture but is bound to no gap; "
            'bind it to the clause it judges: @gap("SYS-03.c")'
        )
    return entry


def _make_plain(report: pytest.TestReport) -> None:
    """Convert the texts of a report to ones that can be sent to the controller, with limited length."""

    def plain(text: str) -> str:
        return bounded(clean(text), REPORT_CHARACTERS)

    said = report.longrepr
    if isinstance(said, tuple):
        path, line, reason = said
        report.longrepr = (path, line, plain(reason))
    elif said is not None and plain(text := report.longreprtext) != text:
        report.longrepr = plain(text)
    report.sections = [(name, plain(text)) for name, text in report.sections]


def _classify(error: BaseException, phase: str) -> BaseException:
    """Map a raised exception to the one that determines the verdict."""
    if isinstance(error, BaseExceptionGroup):
        error = _most_severe(error)
    if isinstance(error, pytest.skip.Exception | unittest.SkipTest):
        return HarnessError(f"the scenario was skipped ({error}); it has to run for the clause to be judged")
    if isinstance(error, TimeoutError) and not isinstance(error, OSError):
        return DeadlineExceeded(f"timed out: {error}" if str(error) else "timed out")
    if phase != "call" and isinstance(error, GapFound) and not isinstance(error, SystemDied):
        return HarnessError(f"in {phase}: {error}")
    return error


def _most_severe(group: BaseExceptionGroup[BaseException]) -> BaseException:
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
