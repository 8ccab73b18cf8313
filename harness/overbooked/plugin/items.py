"""Which scenario of a session meets which variant: collection turned into trials."""

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
from overbooked.runs.written import written
from overbooked.verdicts.means import RULES, supplied

PARAMETER = "overbooked_trial"
UNKNOWN_WEIGHT_S = 5.0
BURSTS = "races"
EXPLORER = "explore"  # the fixture by which a scenario explores


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of the session that is a scenario on a variant.

    Args:
        scenario: node id without the trial's own name.
        trial: variant and repetition.
        bound: every clause the scenario is bound to.
        asked: those the plan asks for in this trial.
        family: every scenario of the same function, itself included, as they were before anything could
            deselect one; they differ in their parameters.
    """

    scenario: str
    trial: Trial
    bound: tuple[str, ...]
    asked: tuple[str, ...]
    family: tuple[str, ...] = ()


ENTRY = pytest.StashKey[Entry]()
# The scenarios of each function, by the function's node id.
FAMILIES = pytest.StashKey[dict[str, tuple[str, ...]]]()

# The bound functions of each file, as its source has them.
WRITTEN = pytest.StashKey[dict[Path, set[str]]]()


def parametrize(metafunc: pytest.Metafunc, plan: Plan, catalog: Catalog) -> None:
    """Give a scenario one item a trial; the run's own variant keeps the plain name.

    Raises:
        UnknownGap: the scenario is bound to what the catalog does not have.
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
    """Refuse a scenario whose binding cannot be read from its source: nobody would miss it."""
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
    """Refuse a scenario that cannot use any means of a clause it is bound to."""
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
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Sort a session's items into those to run, in order, and those nobody asked for.

    Items that are no scenarios are kept, first. Then come the canary, the scenarios on the run's own
    variant or the healthy system, and each mutant's together; within each the longest first, in a proof
    on a mutant the shortest.
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
            item.stash[ENTRY] = entry
            wanted.append(item)
    wanted, spared = _first_only(wanted, plan)
    wanted, others = _first_that_fits(wanted, plan)
    return ordinary + _ordered(wanted, plan), unwanted + spared + others


def _entry(item: pytest.Item, plan: Plan, catalog: Catalog) -> Entry | None:
    callspec = getattr(item, "callspec", None)
    trial = callspec.params.get(PARAMETER) if callspec else None
    if not isinstance(trial, Trial):
        return None
    scenario = item.nodeid if _is_plain(plan, trial) else _without(item.nodeid, trial.id)
    if (scenario, trial.id) in plan.done or not _ordered_to_run(item, scenario, plan):
        return None
    bound = _bound(item, catalog)
    families = item.config.stash.get(FAMILIES, {})
    family = families.get(function_of(scenario), (scenario,))
    return Entry(scenario, trial, bound, plan.asked(trial, bound), family)


def _ordered_to_run(item: pytest.Item, scenario: str, plan: Plan) -> bool:
    if plan.orders is None:
        return True
    fixtures = getattr(item, "fixturenames", ())
    explores = EXPLORER in fixtures
    # What a burst has found is run again in its own scenario; nothing else of that is.
    replays = plan.orders.one and plan.orders.scenario == scenario and BURSTS in fixtures
    return (explores or replays) and plan.orders.scenario in {"", scenario} and plan.orders.match in scenario


def _first_that_fits(items: list[pytest.Item], plan: Plan) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Of a run of one schedule, every trial of the first scenario, and the rest."""
    if plan.orders is None or not plan.orders.one or not items:
        return items, []
    first = items[0].stash[ENTRY].scenario
    return (
        [item for item in items if item.stash[ENTRY].scenario == first],
        [item for item in items if item.stash[ENTRY].scenario != first],
    )


def _without(nodeid: str, name: str) -> str:
    """The node id as it would be had the trial never been a parameter."""
    for whole, rest in ((f"[{name}]", ""), (f"-{name}]", "]"), (f"[{name}-", "[")):
        if whole in nodeid:
            return nodeid.replace(whole, rest, 1)
    return nodeid


def _first_only(items: Iterable[pytest.Item], plan: Plan) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Keep one scenario of a variant that wants no more: of its first clause that has one, the plainest."""
    kept: list[pytest.Item] = []
    spared: list[pytest.Item] = []
    by_variant: dict[str, list[pytest.Item]] = {}
    for item in items:
        name = item.stash[ENTRY].trial.variant
        (by_variant.setdefault(name, []) if plan.variant(name).first_only else kept).append(item)
    for name, rivals in by_variant.items():
        order = {clause: place for place, clause in enumerate(plan.variant(name).clauses)}

        def rank(item: pytest.Item, order: dict[str, int] = order) -> tuple[object, ...]:
            entry = item.stash[ENTRY]
            return (min(order[clause] for clause in entry.asked), len(entry.bound), item.nodeid)

        rivals.sort(key=rank)
        kept.append(rivals[0])
        spared.extend(rivals[1:])
    return kept, spared


def _ordered(items: Sequence[pytest.Item], plan: Plan) -> list[pytest.Item]:
    def weight(item: pytest.Item) -> float:
        return plan.weights.get(item.stash[ENTRY].scenario, UNKNOWN_WEIGHT_S)

    totals: dict[str, float] = {}
    for item in items:
        name = item.stash[ENTRY].trial.variant
        totals[name] = totals.get(name, 0.0) + weight(item)
    first = plan.variants[0].name
    places = {variant.name: place for place, variant in enumerate(plan.variants)}

    def key(item: pytest.Item) -> tuple[object, ...]:
        entry = item.stash[ENTRY]
        variant = plan.variant(entry.trial.variant)
        if variant.first_only:
            rank = 0
        elif variant.name == first:
            rank = 1
        else:
            rank = 2
        whole = totals[variant.name] if rank == 2 else 0.0
        # On a mutant the cheap scenarios first: once its clauses are open the others may spend less.
        own = weight(item) if variant.breaks else -weight(item)
        return (rank, -whole, places[variant.name], entry.trial.repetition, own, item.nodeid)

    return sorted(items, key=key)


def coroutine_of(item: pytest.Item) -> tuple[object, str] | None:
    """Where the coroutine function of an item hangs, as `(owner, attribute)`; None: it is not async."""
    function = getattr(item, "obj", None)
    handle = getattr(function, "hypothesis", None)
    if handle is not None and inspect.iscoroutinefunction(handle.inner_test):
        return handle, "inner_test"
    return (item, "obj") if inspect.iscoroutinefunction(function) else None
