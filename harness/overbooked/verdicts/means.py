"""The table of the means: the fixtures that supply each, the count that shows its use, and its limits.

A clause is closed only if each means in its `by` was used. Collection rejects a scenario whose fixtures
supply none of them; the judge and the scorecard check the counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from overbooked.catalog.model import Means
from overbooked.verdicts.exercise import Exercise


@dataclass(frozen=True, slots=True)
class MeansRule:
    """The requirements of one means.

    Args:
        fixtures: a scenario needs one of these to use the means.
        unit: the unit of the count, in the plural.
        least: the count that a closed clause needs, over all its scenarios.
        wanted: the advice in the reason of a clause that lacks the means.
        blind: what the means cannot see.
    """

    fixtures: tuple[str, ...]
    unit: str
    least: int
    wanted: str
    blind: str


RULES: Mapping[Means, MeansRule] = {
    Means.INTERLEAVINGS: MeansRule(
        ("explorer",),
        "schedules",
        1,
        "explore a race of at least two actors until its bound is exhausted",
        "orders with more preemptions than the bound; races inside one process, or inside one statement or "
        "function of the database, with no message in between",
    ),
    Means.FAULT_POINTS: MeansRule(
        ("sweeps", "stack"),
        "fault points",
        1,
        "sweep a journey (`sweeps.sweep`) so that faults take effect",
        "points that were not drawn, unless all were injected; faults between two messages; more than two "
        "faults in one run",
    ),
    Means.BURSTS: MeansRule(
        ("bursts",),
        "bursts",
        1,
        "release bursts (`bursts.play`) in which a request succeeds",
        "an order that chance did not bring about; no burst shows that an order cannot happen, and a burst "
        "finds less on a busy machine than where its odds were measured",
    ),
    Means.TOXICS: MeansRule(
        ("faults",),
        "link faults",
        1,
        "put a fault on a link (`faults`) that affects traffic",
        "links, strengths and moments other than those tried",
    ),
    Means.PROCESS: MeansRule(
        ("faults",),
        "process faults",
        1,
        "kill, pause or restart a process (`faults`)",
        "processes and moments other than those tried; a machine that loses its power or its disk",
    ),
    Means.PROPERTIES: MeansRule(
        ("judge",),
        "examples",
        1,
        "run examples of a property (`properties.check`)",
        "inputs that the strategy cannot draw or did not draw; failures that depend on timing",
    ),
    Means.MATRIX: MeansRule(
        ("judge",),
        "cases",
        2,
        "count at least two cases (`judge.count`)",
        "cases that the scenario does not list; combinations of cases",
    ),
    Means.JOURNEY: MeansRule(
        ("system",),
        "answered requests",
        1,
        "run a journey on the system so that a request succeeds",
        "paths other than the one taken; concurrency and faults",
    ),
    Means.BROWSER: MeansRule(
        ("browser",),
        "pages",
        1,
        "open a page (`browser`)",
        "browsers, devices and assistive technology other than those used",
    ),
    Means.LOAD: MeansRule(
        ("load",),
        "arrivals",
        1,
        "run a load profile (`load`) with a valid load",
        "higher rates, longer times and larger machines than those of the profile",
    ),
    Means.MEASURE: MeansRule(
        ("judge",),
        "measurements",
        1,
        "pass a measured value to the judge (`judge.measured`)",
        "sizes and machines other than those measured",
    ),
}


def supplied(by: Iterable[Means], fixtures: Collection[str]) -> bool:
    """Return whether a scenario with these fixtures can use at least one means of a clause."""
    return any(set(RULES[means].fixtures) & set(fixtures) for means in by)


def used(means: Means, exercises: Iterable[Exercise]) -> int:
    """Return the count of a means over the exercises that qualify for it."""
    return sum(each.done for each in exercises if each.means is means and _counts(each))


def lacking(by: Iterable[Means], exercises: Iterable[Exercise]) -> list[Means]:
    """Return the means of a clause with a count below the required one."""
    every = tuple(exercises)
    return [means for means in by if used(means, every) < RULES[means].least]


def why_lacking(missing: Sequence[Means]) -> str:
    """Return why a clause is not closed, and what to do."""
    return "; ".join(f"by {means.value}: not shown; {RULES[means].wanted}" for means in missing)


def blind_to(by: Iterable[Means]) -> list[str]:
    """Return the limits of these means, one line per means."""
    return [f"{means.value}: {RULES[means].blind}" for means in by]


def said_of(exercises: Iterable[Exercise], by: Iterable[Means] = tuple(Means)) -> str:
    """Return what was exercised, e.g. `51 of 441 fault points` or `2 actors exhausted at 2 preemptions`.

    Args:
        exercises: the exercises of one clause or gap.
        by: the means to report; default: all.
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
    """Return the explorations per number of actors; the bound is the smallest of all races."""
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
        told.append(f"{actors} actors exhausted {bound} ({schedules:,} {noun}{_of_races(those)})")
    return ", ".join(told)


def _of_races(exercises: Sequence[Exercise]) -> str:
    """Return how many races of how many were explored; "" if all were."""
    families = {each.family: each.family_size for each in exercises if each.family}
    alone = sum(not each.family for each in exercises)
    done, whole = len(exercises), alone + sum(families.values())
    return f" of {done:,} of {whole:,} races" if done < whole else ""
