"""The one table of the means: what supplies each, which count shows that it was used, what it cannot see.

A clause is closed only when each means in its `by` was used. Collection refuses a scenario whose
fixtures supply none of them; the judge and the scorecard look at the counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from overbooked.catalog.model import Means
from overbooked.verdicts.exercise import Exercise


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of one means.

    Args:
        fixtures: a scenario needs one of these to use the means at all.
        unit: what is counted, in the plural.
        least: how many of it a closed clause needs, over all its scenarios.
        wanted: what is to be done, for the reason of a clause that lacks it.
        blind: what the means cannot see.
    """

    fixtures: tuple[str, ...]
    unit: str
    least: int
    wanted: str
    blind: str


RULES: Mapping[Means, Rule] = {
    Means.INTERLEAVINGS: Rule(
        ("explore",),
        "schedules",
        1,
        "explore a race of at least two actors until its bound is exhausted",
        "orders with more preemptions than the bound; races inside one process, or inside one statement or "
        "function of the database, with no message in between",
    ),
    Means.FAULT_POINTS: Rule(
        ("stack",),
        "fault points",
        1,
        "sweep a journey (`ruled_sweep`) so that faults take effect",
        "points that were not drawn, where not all were struck; faults between two messages; more than two "
        "faults in one run",
    ),
    Means.BURSTS: Rule(
        ("races",),
        "bursts",
        1,
        "release bursts (`races.rounds`) in which a request succeeds",
        "an order that chance did not bring about; no burst shows that an order cannot happen",
    ),
    Means.TOXICS: Rule(
        ("faults",),
        "link faults",
        1,
        "put a fault on a link (`faults`) that touches traffic",
        "other links, strengths and moments than those that were tried",
    ),
    Means.PROCESS: Rule(
        ("faults",),
        "process faults",
        1,
        "kill, pause or restart a process (`faults`)",
        "other processes and moments than those that were struck; a machine that loses its power or its disk",
    ),
    Means.PROPERTIES: Rule(
        ("judge",),
        "examples",
        1,
        "try examples of a property (`properties.check`)",
        "inputs that the strategy cannot draw or did not draw; what depends on timing",
    ),
    Means.MATRIX: Rule(
        ("judge",),
        "cases",
        2,
        "count at least two cases (`judge.count`)",
        "cases that the scenario does not list; combinations of cases",
    ),
    Means.JOURNEY: Rule(
        ("system",),
        "answered requests",
        1,
        "go through a journey with the system so that a request succeeds",
        "other paths than the one that was gone; concurrency and faults",
    ),
    Means.BROWSER: Rule(
        ("browser",),
        "pages",
        1,
        "drive a page (`browser`)",
        "other browsers, devices and assistive technology than those that were driven",
    ),
    Means.LOAD: Rule(
        ("load",),
        "arrivals",
        1,
        "hold a load profile (`load`) until it is valid",
        "higher rates, longer times and larger machines than those of the profile",
    ),
    Means.MEASURE: Rule(
        ("judge",),
        "measurements",
        1,
        "hand a measured value to the judge (`judge.measured`)",
        "other sizes and machines than those that were measured",
    ),
}


def supplied(by: Iterable[Means], fixtures: Collection[str]) -> bool:
    """Whether a scenario with these fixtures can use at least one means of a clause."""
    return any(set(RULES[means].fixtures) & set(fixtures) for means in by)


def used(means: Means, exercises: Iterable[Exercise]) -> int:
    """How much of what counts for a means was done."""
    return sum(each.done for each in exercises if each.means is means and _counts(each))


def lacking(by: Iterable[Means], exercises: Iterable[Exercise]) -> list[Means]:
    """The means of a clause that were not used, or too little."""
    every = tuple(exercises)
    return [means for means in by if used(means, every) < RULES[means].least]


def why_lacking(missing: Sequence[Means]) -> str:
    """Why a clause is not closed, and what to do."""
    return "; ".join(f"by {means.value}: not shown; {RULES[means].wanted}" for means in missing)


def blind_to(by: Iterable[Means]) -> list[str]:
    """What these means together cannot see, a sentence a means."""
    return [f"{means.value}: {RULES[means].blind}" for means in by]


def said_of(exercises: Iterable[Exercise], by: Iterable[Means] = tuple(Means)) -> str:
    """What was exercised, e.g. `51 of 441 fault points` or `2 actors exhausted at 2 preemptions`.

    Args:
        exercises: of one clause or of a gap.
        by: the means that are told of; default all.
    """
    every = tuple(exercises)
    told = []
    for means in by:
        those = [each for each in every if each.means is means and _counts(each)]
        if those:
            told.append(_explored(those) if means is Means.INTERLEAVINGS else _counted(means, those))
    return "; ".join(told)


def _counts(exercise: Exercise) -> bool:
    if exercise.means is Means.INTERLEAVINGS and not (
        exercise.actors > 1 and (exercise.exhausted or exercise.sampled)
    ):
        return False
    return exercise.done > 0


def _counted(means: Means, exercises: Sequence[Exercise]) -> str:
    done = sum(each.done for each in exercises)
    unit = RULES[means].unit if done != 1 else RULES[means].unit.removesuffix("s")
    if all(each.of is not None for each in exercises):
        whole = sum(each.of or 0 for each in exercises)
        return f"{done:,} of {whole:,} {RULES[means].unit}"
    largest = max(each.actors for each in exercises)
    return f"{done:,} {unit} of up to {largest:,} requests" if largest else f"{done:,} {unit}"


def _explored(exercises: Sequence[Exercise]) -> str:
    """What was explored, for each number of actors by itself: the least bound that every race has."""
    told = []
    for actors in sorted({each.actors for each in exercises}):
        those = [each for each in exercises if each.actors == actors]
        schedules = sum(each.done for each in those)
        drawn = [each for each in those if not each.exhausted]
        if drawn:
            whole = sum(each.of or 0 for each in drawn)
            strategies = ", ".join(dict.fromkeys(each.sampled for each in drawn))
            of = f" of {whole:,}" if all(each.of for each in those) else ""
            told.append(f"{actors} actors sampled by {strategies} ({schedules:,}{of} schedules)")
            continue
        bounds = [each.preemptions for each in those if each.preemptions is not None]
        bound = f"at {min(bounds)} preemption{'s' * (min(bounds) != 1)}" if bounds else "without a bound"
        noun = "schedule" if schedules == 1 else "schedules"
        told.append(f"{actors} actors exhausted {bound} ({schedules:,} {noun})")
    return ", ".join(told)
