"""Selects the part of a proof to run: the impact of a change, a time budget, one shard."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from overbooked.catalog import Mutant
from overbooked.runs.absence import function_of
from overbooked.runs.impact import Impact

# Assumed duration of a scenario without a known one, in seconds: the average.
UNKNOWN_S = 15.0
NAMED = 10  # number of mutants that a sentence names; the rest are counted


@dataclass(frozen=True)
class Costs:
    """Durations of scenarios, for planning a proof.

    Args:
        functions: the scenario functions of each clause, by the clause's full name.
        seconds: duration of each scenario, by its node id. It must not depend on this machine if shards run
            on several machines.
        workers: number of stacks that run concurrently.
    """

    functions: Mapping[str, Sequence[str]]
    seconds: Mapping[str, float]
    workers: int = 1
    _of_function: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for scenario, seconds in self.seconds.items():
            function = function_of(scenario)
            self._of_function[function] = self._of_function.get(function, 0.0) + seconds

    def scenarios(self, clauses: Iterable[str]) -> frozenset[str]:
        """Return the scenario functions that judge some clauses."""
        return frozenset(function for clause in clauses for function in self.functions.get(clause, ()))

    def of(self, functions: Iterable[str]) -> float:
        """Return the seconds that some scenario functions take on one variant with all workers."""
        return sum(self._of_function.get(each, UNKNOWN_S) for each in functions) / max(1, self.workers)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a proof, selected as a whole: a mutant, or clauses of one gap on the healthy system.

    Args:
        clauses: full names of the clauses that it needs, also on the healthy system.
        mutant: its name; None for the healthy system.
    """

    clauses: tuple[str, ...]
    mutant: str | None = None


@dataclass(frozen=True, slots=True)
class ProofPart:
    """The selected part of a proof.

    Args:
        clauses: full names of the requested clauses.
        healthy: the clauses that are judged on the healthy system.
        mutants: names of the mutants in this part.
        sentences: the selection and the omissions, one line each.
        left: names of the requested mutants that are left out.
        about: facts for the matrix.
    """

    clauses: tuple[str, ...]
    healthy: tuple[str, ...]
    mutants: tuple[str, ...]
    sentences: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    about: Mapping[str, object] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to prove."""
        return not (self.healthy or self.mutants)


def choose(
    clauses: Sequence[str],
    mutants: Sequence[Mutant],
    costs: Costs,
    *,
    impact: Impact | None = None,
    budget_s: float | None = None,
    turn: int = 0,
) -> ProofPart:
    """Select the part that a change affects, then a sample of the rest, within a budget.

    Args:
        clauses: full names of all requested clauses, in order.
        mutants: all mutants that can be proven, in order.
        costs: durations, for the budget.
        impact: the impact of the change; None: unknown.
        budget_s: time budget of the proof, in seconds; None: unlimited.
        turn: index of the sample; consecutive numbers go through all samples.
    """
    changed, affected, rest = _tiers(clauses, mutants, impact)
    if budget_s is None:
        chosen = [*changed, *affected, *(rest if impact is None else ())]
        return _part(chosen, [u for u in rest if u not in chosen], clauses)
    chosen = []
    for tier in (changed, affected, rest):
        chosen += _affordable(tier, chosen, costs, budget_s, turn)
    left = [unit for unit in (*changed, *affected, *rest) if unit not in chosen]
    return _part(chosen, left, clauses)


def _tiers(
    clauses: Sequence[str], mutants: Sequence[Mutant], impact: Impact | None
) -> tuple[list[Unit], list[Unit], list[Unit]]:
    """Return the units in three tiers: known to have changed, possibly affected, and the rest."""
    asked = set(clauses)
    named = impact.clauses & asked if impact else frozenset()
    own = impact.mutants if impact else frozenset()
    by_gap: dict[str, list[str]] = {}
    for clause in clauses:
        by_gap.setdefault(clause.rpartition(".")[0], []).append(clause)
    everything = impact is not None and bool(impact.everything)
    changed: list[Unit] = []
    others: list[Unit] = []

    def enter(mutant: Mutant) -> None:
        broken = tuple(clause for clause in mutant.breaks if clause in asked)
        hit = tuple(clause for clause in broken if clause in named)
        if mutant.name in own or hit:
            # An unchanged clause need not be judged again on an unchanged mutant.
            whole = everything or mutant.name in own
            changed.append(Unit(broken if whole else hit, mutant.name))
        else:
            others.append(Unit(broken, mutant.name))

    for gap, those in by_gap.items():
        # The clauses of every proven mutant are judged on the healthy system anyway; these have no mutant.
        if direct := tuple(clause for clause in those if clause in named):
            changed.append(Unit(direct))
        if remaining := tuple(clause for clause in those if clause not in named):
            others.append(Unit(remaining))
        for mutant in (each for each in mutants if each.gap == gap):
            enter(mutant)
    known = {unit.mutant for unit in (*changed, *others)}
    for mutant in mutants:
        if mutant.name not in known:
            enter(mutant)
    if everything:
        return changed, others, []
    return changed, [], others


def _affordable(
    units: Sequence[Unit], before: Sequence[Unit], costs: Costs, budget_s: float, turn: int
) -> Sequence[Unit]:
    """Return the units within the remaining budget: all, or one block by turn and whatever else fits."""
    if not units:
        return ()
    spent = time_of(before, costs)
    blocks: list[list[Unit]] = [[]]
    for unit in units:
        if blocks[-1] and time_of([*before, *blocks[-1], unit], costs) > budget_s:
            blocks.append([])
        blocks[-1].append(unit)
    mine = turn % len(blocks)
    block = list(blocks[mine])
    if before and (spent >= budget_s or time_of([*before, *block], costs) > budget_s):
        return ()  # nothing remains of the budget, or a single unit exceeds what remains
    # The last block is often small; the units after it, from the beginning again, fill the budget.
    for unit in (each for other in (*blocks[mine + 1 :], *blocks[:mine]) for each in other):
        if time_of([*before, *block, unit], costs) <= budget_s:
            block.append(unit)
    return [unit for unit in units if unit in block]


def time_of(units: Sequence[Unit], costs: Costs) -> float:
    """Return the seconds of some units on their mutants, and of each scenario once on the healthy system."""
    healthy = costs.scenarios(clause for unit in units for clause in unit.clauses)
    mutants = sum(costs.of(costs.scenarios(unit.clauses)) for unit in units if unit.mutant)
    return costs.of(healthy) + mutants


def _part(chosen: Sequence[Unit], left: Sequence[Unit], clauses: Sequence[str]) -> ProofPart:
    asked = {clause for unit in chosen for clause in unit.clauses}
    ordered = tuple(clause for clause in clauses if clause in asked)
    return ProofPart(
        clauses=ordered,
        healthy=ordered,
        mutants=tuple(unit.mutant for unit in chosen if unit.mutant),
        left=tuple(unit.mutant for unit in left if unit.mutant),
    )


def shard_of(part: ProofPart, mutants: Sequence[Mutant], costs: Costs, index: int, of: int) -> ProofPart:
    """Return the `index`-th (from 1) of `of` disjoint parts of the whole, of about equal duration.

    A mutant is in one shard with all its clauses, and so are the clauses of the healthy system that
    share a scenario: no clause is judged by only a part of its scenarios.
    """
    breaks = {mutant.name: mutant.breaks for mutant in mutants}
    asked = set(part.clauses)
    units = [Unit(group) for group in _connected(part.healthy, costs)]
    units += [Unit(tuple(c for c in breaks[name] if c in asked), name) for name in part.mutants]
    weights = [costs.of(costs.scenarios(unit.clauses)) for unit in units]
    mine = [unit for unit, shard in zip(units, balanced(weights, of), strict=True) if shard == index]
    healthy = {clause for unit in mine if unit.mutant is None for clause in unit.clauses}
    met = {unit.mutant for unit in mine if unit.mutant}
    return ProofPart(
        clauses=part.clauses,
        healthy=tuple(clause for clause in part.healthy if clause in healthy),
        mutants=tuple(name for name in part.mutants if name in met),
        sentences=part.sentences,
        left=part.left,
        about=part.about,
    )


def balanced(weights: Sequence[float], shards: int) -> list[int]:
    """Return the shard (from 1) of each weight: heaviest first, each to the shard with the least load."""
    loads = [0.0] * shards
    found = [0] * len(weights)
    for place in sorted(range(len(weights)), key=lambda place: (-weights[place], place)):
        lightest = min(range(shards), key=lambda shard: (loads[shard], shard))
        loads[lightest] += weights[place]
        found[place] = lightest + 1
    return found


def _connected(clauses: Sequence[str], costs: Costs) -> list[tuple[str, ...]]:
    """Group the clauses so that no scenario judges clauses of two groups."""
    groups: list[tuple[set[str], set[str]]] = []
    for clause in clauses:
        names, functions = {clause}, set(costs.scenarios([clause]))
        apart = []
        for other in groups:
            if functions & other[1]:
                names |= other[0]
                functions |= other[1]
            else:
                apart.append(other)
        groups = [*apart, (names, functions)]
    return [tuple(clause for clause in clauses if clause in names) for names, _ in groups]


def named(names: Collection[str]) -> str:
    """Return a list of names for messages, e.g. `SYS-03.1, SYS-03.2 and 12 more`."""
    shown = list(names)[:NAMED]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
