"""Creates trials from collected scenarios: one item per scenario and variant."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from overbooked.catalog import Catalog
from overbooked.errors import UnknownGap, UsageError
from overbooked.marker import bound_names
from overbooked.runs.absence import function_of
from overbooked.runs.plan import Plan, Trial
from overbooked.runs.proof_selection import balanced
from overbooked.runs.written import written
from overbooked.verdicts.means import RULES, supplied

PARAMETER = "overbooked_trial"
UNKNOWN_WEIGHT_S = 5.0
# The fixtures that play races in bursts and explore them.
BURSTS = "bursts"
EXPLORER = "explorer"
SWEEPS = "sweeps"  # the fixture by which a scenario sweeps a journey


@dataclass(frozen=True, slots=True)
class TrialItem:
    """One item of the session: a scenario on a variant.

    Args:
        scenario: node id without the trial's name.
        trial: variant and repetition.
        bound: every clause the scenario is bound to.
        asked: the clauses that the plan requests in this trial.
        family: every scenario of the same function, this one included, before any deselection; they differ
            in their parameters.
    """

    scenario: str
    trial: Trial
    bound: tuple[str, ...]
    asked: tuple[str, ...]
    family: tuple[str, ...] = ()


TRIAL_ITEM = pytest.StashKey[TrialItem]()
# The scenarios of each function, by the function's node id.
FAMILIES = pytest.StashKey[dict[str, tuple[str, ...]]]()

# The bound functions of each file, according to its source.
WRITTEN = pytest.StashKey[dict[Path, set[str]]]()


def parametrize(metafunc: pytest.Metafunc, plan: Plan, catalog: Catalog) -> None:
    """Create one item per trial of a scenario; the run's own variant keeps the plain name.

    Raises:
        UnknownGap: the scenario is bound to a gap that the catalog does not have.
        UsageError: no fixture of the scenario can supply a means of one of its clauses.
    """
    bound = _bound(metafunc.definition, catalog)
    _require_written(metafunc)
    _require_means(metafunc, bound, catalog)
    families = metafunc.config.stash.setdefault(FAMILIES, {})
    families[metafunc.definition.nodeid] = tuple(
        f"{metafunc.definition.nodeid}[{call.id}]" for call in metafunc._calls
    ) or (metafunc.definition.nodeid,)
    trials = plan.trials(bound)
    if not trials:
        return
    if PARAMETER not in metafunc.fixturenames:
        metafunc.fixturenames.append(PARAMETER)
    metafunc.parametrize(PARAMETER, trials, indirect=True, ids=[_id(plan, trial) for trial in trials])


def _id(plan: Plan, trial: Trial) -> object:
    return pytest.HIDDEN_PARAM if _is_plain(plan, trial) else trial.id


def _is_plain(plan: Plan, trial: Trial) -> bool:
    return plan.plain and trial == Trial(plan.variants[0].name)


def _require_written(metafunc: pytest.Metafunc) -> None:
    """Reject a scenario whose binding cannot be read from its source, as its absence would go unnoticed."""
    file = metafunc.definition.path
    inside = metafunc.definition.nodeid.partition("::")[2]
    known = metafunc.config.stash.setdefault(WRITTEN, {})
    if file not in known:
        known[file] = {one.function.partition("::")[2] for one in written([file], file.parent)}
    if inside not in known[file]:
        raise UsageError(
            f"{metafunc.definition.nodeid}: its binding cannot be read from {file.name}; bind the function "
            "itself, by that name: @gap('SYS-03.c')"
        )


def _require_means(metafunc: pytest.Metafunc, bound: Sequence[str], catalog: Catalog) -> None:
    """Reject a scenario that lacks the fixtures for the means of a clause that it is bound to."""
    for clause in catalog.clauses_of(bound):
        if supplied(clause.by, metafunc.fixturenames):
            continue
        wanted = " and ".join(
            f"{means.value} (fixture `{'` or `'.join(RULES[means].fixtures)}`)" for means in clause.by
        )
        raise UsageError(
            f"{metafunc.definition.nodeid}: {clause.name} is to be shown by {wanted}, but this scenario has "
            f"{', '.join(_asked_for(metafunc)) or 'no fixture'}; ask for the fixture and use it, or bind the "
            "scenario to another clause"
        )


def _asked_for(metafunc: pytest.Metafunc) -> list[str]:
    arguments = inspect.signature(metafunc.function).parameters
    return [name for name in arguments if name in metafunc.fixturenames]


def _bound(definition: pytest.Item, catalog: Catalog) -> tuple[str, ...]:
    names = bound_names(definition)
    try:
        return tuple(clause.name for clause in catalog.clauses_of(names))
    except UnknownGap as error:
        raise UnknownGap(f"{definition.nodeid}: @gap({', '.join(map(repr, names))}): {error}") from None


def select(
    items: Sequence[pytest.Item], plan: Plan, catalog: Catalog
) -> tuple[list[pytest.Item], list[pytest.Item], list[TrialItem]]:
    """Split a session's items into those to run, in order, those not requested, and those of other shards.

    Items that are not scenarios come first. Then come the canary, the scenarios on the run's own
    variant or the healthy system, and the scenarios of each mutant together. Within each group the
    longest come first; in a proof on a mutant the shortest.
    """
    ordinary: list[pytest.Item] = []
    wanted: list[pytest.Item] = []
    unwanted: list[pytest.Item] = []
    for item in items:
        if not bound_names(item):
            ordinary.append(item)
        elif (entry := _entry(item, plan, catalog)) is None:
            unwanted.append(item)
        else:
            item.stash[TRIAL_ITEM] = entry
            wanted.append(item)
    wanted, spared = _keep_one_per_variant(wanted, plan)
    wanted, others = _first_that_fits(wanted, plan)
    wanted, elsewhere = _of_shard(wanted, plan)
    return (
        ordinary + _ordered(wanted, plan),
        unwanted + spared + others + elsewhere,
        [item.stash[TRIAL_ITEM] for item in elsewhere],
    )


def _of_shard(items: list[pytest.Item], plan: Plan) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the items of the plan's shard, and those of other shards. All shards use the same weights."""
    index, shards = plan.shard
    if shards == 1:
        return items, []
    own = {
        entry.scenario
        for item in items
        if not plan.variant((entry := item.stash[TRIAL_ITEM]).trial.variant).first_only
    }
    scenarios = sorted(own)
    weights = [plan.weights.get(scenario, UNKNOWN_WEIGHT_S) for scenario in scenarios]
    places = dict(zip(scenarios, balanced(weights, shards), strict=True))

    def here(item: pytest.Item) -> bool:
        entry = item.stash[TRIAL_ITEM]
        return plan.variant(entry.trial.variant).first_only or places[entry.scenario] == index

    return [item for item in items if here(item)], [item for item in items if not here(item)]


def _entry(item: pytest.Item, plan: Plan, catalog: Catalog) -> TrialItem | None:
    callspec = getattr(item, "callspec", None)
    trial = callspec.params.get(PARAMETER) if callspec else None
    if not isinstance(trial, Trial):
        return None
    scenario = item.nodeid if _is_plain(plan, trial) else _without(item.nodeid, trial.id)
    if (scenario, trial.id) in plan.done or not _matches_exploration_options(item, scenario, plan):
        return None
    bound = _bound(item, catalog)
    families = item.config.stash.get(FAMILIES, {})
    family = families.get(function_of(scenario), (scenario,))
    return TrialItem(scenario, trial, bound, plan.asked(trial, bound), family)


def _matches_exploration_options(item: pytest.Item, scenario: str, plan: Plan) -> bool:
    if plan.orders is None:
        return True
    fixtures = getattr(item, "fixturenames", ())
    if plan.orders.faults is not None:
        return SWEEPS in fixtures and function_of(scenario) == function_of(plan.orders.scenario)
    explores = EXPLORER in fixtures
    # A schedule found by exploring a burst is replayed in the burst's own scenario.
    replays = plan.orders.one and plan.orders.scenario == scenario and BURSTS in fixtures
    return (explores or replays) and plan.orders.scenario in {"", scenario} and plan.orders.match in scenario


def _first_that_fits(items: list[pytest.Item], plan: Plan) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """For a run of one schedule, return every trial of the first matching scenario, and the rest."""
    if plan.orders is None or not plan.orders.one or not items:
        return items, []
    first = items[0].stash[TRIAL_ITEM].scenario
    return (
        [item for item in items if item.stash[TRIAL_ITEM].scenario == first],
        [item for item in items if item.stash[TRIAL_ITEM].scenario != first],
    )


def _without(nodeid: str, name: str) -> str:
    """Return the node id without the trial's parameter."""
    for whole, rest in ((f"[{name}]", ""), (f"-{name}]", "]"), (f"[{name}-", "[")):
        if whole in nodeid:
            return nodeid.replace(whole, rest, 1)
    return nodeid


def _keep_one_per_variant(
    items: Iterable[pytest.Item], plan: Plan
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """For a variant with `first_only`, keep the scenario of its first clause with the fewest bindings."""
    kept: list[pytest.Item] = []
    spared: list[pytest.Item] = []
    by_variant: dict[str, list[pytest.Item]] = {}
    for item in items:
        name = item.stash[TRIAL_ITEM].trial.variant
        (by_variant.setdefault(name, []) if plan.variant(name).first_only else kept).append(item)
    for name, rivals in by_variant.items():
        order = {clause: place for place, clause in enumerate(plan.variant(name).clauses)}

        def rank(item: pytest.Item, order: dict[str, int] = order) -> tuple[object, ...]:
            entry = item.stash[TRIAL_ITEM]
            return (min(order[clause] for clause in entry.asked), len(entry.bound), item.nodeid)

        rivals.sort(key=rank)
        kept.append(rivals[0])
        spared.extend(rivals[1:])
    return kept, spared


def _ordered(items: Sequence[pytest.Item], plan: Plan) -> list[pytest.Item]:
    def weight(item: pytest.Item) -> float:
        return plan.weights.get(item.stash[TRIAL_ITEM].scenario, UNKNOWN_WEIGHT_S)

    totals: dict[str, float] = {}
    for item in items:
        name = item.stash[TRIAL_ITEM].trial.variant
        totals[name] = totals.get(name, 0.0) + weight(item)
    first = plan.variants[0].name
    places = {variant.name: place for place, variant in enumerate(plan.variants)}

    def key(item: pytest.Item) -> tuple[object, ...]:
        entry = item.stash[TRIAL_ITEM]
        variant = plan.variant(entry.trial.variant)
        if variant.first_only:
            rank = 0
        elif variant.name == first:
            rank = 1
        else:
            rank = 2
        whole = totals[variant.name] if rank == 2 else 0.0
        # On a mutant the cheap scenarios run first: once its clauses are open, the others need less budget.
        own = weight(item) if variant.breaks else -weight(item)
        return (rank, -whole, places[variant.name], entry.trial.repetition, own, item.nodeid)

    return sorted(items, key=key)


def coroutine_of(item: pytest.Item) -> tuple[object, str] | None:
    """Return where an item's coroutine function is, as `(owner, attribute)`; None if it is not async."""
    function = getattr(item, "obj", None)
    handle = getattr(function, "hypothesis", None)
    if handle is not None and inspect.iscoroutinefunction(handle.inner_test):
        return handle, "inner_test"
    return (item, "obj") if inspect.iscoroutinefunction(function) else None
