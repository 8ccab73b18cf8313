"""Merges the scorecards of the shards of a suite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from overbooked.errors import UsageError
from overbooked.verdicts.assembly import gap_score, reason_of
from overbooked.verdicts.means import lacking, why_lacking
from overbooked.verdicts.run import IN_PART
from overbooked.verdicts.scorecard import (
    Canary,
    ClauseScore,
    Evidence,
    GapScore,
    ScenarioScore,
    Scorecard,
    Shard,
)
from overbooked.verdicts.verdict import SEVERITY, Verdict, worst


def merge(cards: Sequence[Scorecard]) -> Scorecard:
    """Return the union of scorecards of one suite; of several verdicts the worst counts.

    A clause gets its verdict from the shards that had scenarios for it. The result is complete if every part
    is, and lists the missing shards.

    Raises:
        UsageError: there is no scorecard, they differ in profile, stack, seed, mutant or target, or a shard
            occurs twice.
    """
    if not cards:
        raise UsageError("wanted at least one scorecard to merge, found none")
    first = cards[0]
    for card in cards[1:]:
        for name in ("profile", "stack", "seed", "mutant", "target"):
            one, other = getattr(first.run, name), getattr(card.run, name)
            if one != other:
                raise UsageError(
                    f"scorecards of runs {first.run.id} and {card.run.id} differ in {name} "
                    f"({one} and {other}); merge parts of one suite only"
                )
    return Scorecard(
        run=replace(
            first.run,
            id="+".join(dict.fromkeys(card.run.id for card in cards)),
            started_at=min(card.run.started_at for card in cards),
            versions={name: v for card in cards for name, v in card.run.versions.items()},
            workers=sum(card.run.workers for card in cards),
            shard=_shards(cards),
        ),
        complete=all(card.complete for card in cards),
        ended_at=max(card.ended_at for card in cards),
        gaps=_gaps(cards, _shards(cards)),
        scenarios=_scenarios(cards),
        canary=_canary(cards),
        narrowed=any(card.narrowed for card in cards),
        aborted="; ".join(dict.fromkeys(card.aborted for card in cards if card.aborted)),
        errors=tuple(error for card in cards for error in card.errors),
        load=tuple(result for card in cards for result in card.load),
    )


def _shards(cards: Sequence[Scorecard]) -> Shard | None:
    shards = [card.run.shard for card in cards if card.run.shard]
    if not shards:
        return None
    if len({shard.of for shard in shards}) > 1 or len(shards) < len(cards):
        raise UsageError("wanted shards of one suite, found scorecards that were divided differently")
    present = [index for shard in shards for index in shard.present]
    twice = sorted({index for index in present if present.count(index) > 1})
    if twice:
        raise UsageError(f"shard {', '.join(map(str, twice))} is there twice; hand each in once")
    scenarios: dict[str, dict[str, None]] = {}
    for shard in shards:
        for clause, names in shard.scenarios.items():
            scenarios.setdefault(clause, {}).update(dict.fromkeys(names))
    return Shard(
        shards[0].of,
        tuple(sorted(present)),
        {clause: tuple(names) for clause, names in scenarios.items()},
    )


def _gaps(cards: Sequence[Scorecard], shard: Shard | None) -> tuple[GapScore, ...]:
    parts: dict[str, list[GapScore]] = {}
    for card in cards:
        for gap in card.gaps:
            parts.setdefault(gap.id, []).append(gap)
    return tuple(_gap(gaps, shard) for gaps in parts.values())


def _gap(parts: Sequence[GapScore], shard: Shard | None) -> GapScore:
    first = parts[0]
    for part in parts:
        if [clause.id for clause in part.clauses] != [clause.id for clause in first.clauses]:
            raise UsageError(f"the scorecards know different clauses of {first.id}; use one catalog for all")
    columns = zip(*(part.clauses for part in parts), strict=True)
    return gap_score(first, [_clause(clauses, shard) for clauses in columns])


def _clause(parts: Sequence[ClauseScore], shard: Shard | None) -> ClauseScore:
    first = parts[0]
    shown = tuple(evidence for part in parts for evidence in part.evidence)
    if shown:
        verdict = worst(evidence.verdict for evidence in shown)
        # A part may be inconclusive although no scenario is: a scenario did not run, or a means was not used.
        doubts = [
            part.reason
            for part in parts
            if part.evidence and part.verdict is Verdict.INCONCLUSIVE and not part.reason.startswith(IN_PART)
        ]
        if shard is not None and first.id in shard.scenarios:
            doubts += _doubts_of_whole(first, shown, shard)
        if doubts and verdict is Verdict.CLOSED:
            return replace(
                first, verdict=Verdict.INCONCLUSIVE, reason="; ".join(dict.fromkeys(doubts)), evidence=shown
            )
        return replace(first, verdict=verdict, reason=reason_of(verdict, shown), evidence=shown)
    asked = [part for part in parts if part.verdict is not None]
    return min(asked, key=lambda part: SEVERITY.index(part.verdict or SEVERITY[-1]), default=first)


def _doubts_of_whole(clause: ClauseScore, shown: Sequence[Evidence], shard: Shard) -> list[str]:
    """Return why a clause that several shards judged is not closed: a missing scenario or means."""
    ran = {evidence.scenario for evidence in shown}
    wanted = shard.scenarios[clause.id]
    missing = [name for name in wanted if name not in ran]
    if missing and shard.missing:
        return [f"{IN_PART}{len(wanted) - len(missing)} of {len(wanted)} scenarios ran; merge all shards"]
    if missing:
        return [f"a scenario of this clause was not run: {missing[0]}; run its shard again"]
    exercises = [exercise for evidence in shown for exercise in evidence.exercises]
    lack = why_lacking(lacking(clause.means, exercises))
    return [lack] if lack else []


def _scenarios(cards: Iterable[Scorecard]) -> tuple[ScenarioScore, ...]:
    attempts: dict[str, int] = {}
    every = []
    for card in cards:
        for scenario in card.scenarios:
            attempts[scenario.id] = attempts.get(scenario.id, 0) + 1
            every.append(replace(scenario, attempt=attempts[scenario.id]))
    return tuple(every)


def _canary(cards: Sequence[Scorecard]) -> Canary | None:
    """Return the worst canary; None if a part has none. A canary that is not open invalidates its part."""
    canaries = [card.canary for card in cards]
    if any(canary is None for canary in canaries):
        return None
    silent = [canary for canary in canaries if canary and not canary.is_open]
    return silent[0] if silent else canaries[0]
