"""The gate policy: which verdicts of which gaps stop a release, and the decision."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from overbooked.catalog.catalog import Catalog, priorities_of
from overbooked.catalog.model import Gap, Means
from overbooked.errors import ConfigError, ExitCode, UnknownGap
from overbooked.verdicts.run import IN_PART
from overbooked.verdicts.scorecard import GapScore, Scorecard
from overbooked.verdicts.verdict import Verdict, worst


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Table):
    """Selects gaps by priority, theme or name, and lists the verdicts that stop a release.

    A gap must match every field that is set; an unset field matches every gap. A rule with clauses applies
    only to these, not to the other clauses of their gaps. Matching gaps and clauses must be in the scorecard:
    a missing one stops the release regardless of `stop`.
    """

    priority: str = ""
    themes: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    stop: Annotated[tuple[Verdict, ...], Field(min_length=1)]

    def matches(self, gap: GapScore | Gap) -> bool:
        """Return whether the rule applies to a gap or to a clause of it."""
        return (
            (not self.priority or gap.priority in priorities_of(self.priority))
            and (not self.themes or gap.theme in self.themes)
            and (not self.gaps or gap.id in self.gaps)
            and (not self.clauses or any(name.rpartition(".")[0] == gap.id for name in self.clauses))
        )

    def names(self, clause: str) -> bool:
        """Return whether the rule applies to a clause (full name) of a matching gap."""
        return not self.clauses or clause in self.clauses

    def verdict(self, gap: GapScore) -> Verdict:
        """Return the verdict of a matching gap, of the rule's clauses if it has some."""
        if not self.clauses:
            return gap.verdict
        return worst(clause.verdict for clause in gap.clauses if self.names(clause.id) and clause.verdict)

    @model_validator(mode="after")
    def _closed_stops_nothing(self) -> Rule:
        if Verdict.CLOSED in self.stop:
            raise ValueError("a closed gap cannot stop a release")
        if self.priority:
            try:
                priorities_of(self.priority)
            except UnknownGap as error:
                raise ValueError(str(error)) from error
        return self


class Waiver(_Table):
    """A gap that does not stop a release until a date (inclusive), and the reason."""

    gap: str
    until: date
    reason: Annotated[str, Field(min_length=1)]


class Policy(_Table):
    """The requirements for a release.

    Args:
        rules: the rules that stop it.
        minimum_judged: minimum number of gaps that are closed or open.
        canary: whether a run that judges gaps must have judged a canary.
        load: the verdicts of load profiles that stop a release.
        optional_means: clauses by one of these means may be missing.
        waivers: temporary exceptions for gaps.
    """

    rules: tuple[Rule, ...] = (Rule(priority="P0-P1", stop=(Verdict.OPEN, Verdict.INCONCLUSIVE)),)
    minimum_judged: Annotated[int, Field(ge=0)] = 1
    canary: bool = True
    load: tuple[Verdict, ...] = (Verdict.OPEN, Verdict.INCONCLUSIVE)
    optional_means: tuple[Means, ...] = (Means.BROWSER, Means.LOAD)
    waivers: tuple[Waiver, ...] = ()

    @classmethod
    def parse(cls, text: str, where: str) -> Policy:
        """Parse a policy from TOML.

        Raises:
            ConfigError: the text is not TOML or not a valid policy.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: not TOML: {error}") from error
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error

    def check(self, catalog: Catalog) -> None:
        """Check that the catalog has all gaps, clauses and themes of the rules and waivers.

        Raises:
            UnknownGap: it does not; the message names the nearest.
        """
        for name in [*(gap for rule in self.rules for gap in rule.gaps), *(w.gap for w in self.waivers)]:
            catalog.gap(name)
        catalog.clauses_of([clause for rule in self.rules for clause in rule.clauses])
        for theme in dict.fromkeys(theme for rule in self.rules for theme in rule.themes):
            catalog.select(theme=theme)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of a policy on a scorecard.

    Args:
        exit_code: the exit code of the command.
        sentence: the reason, in one sentence.
        stopping: ids of the gaps that stop the release.
        waived: ids of the gaps that would stop it without their waivers.
    """

    exit_code: ExitCode
    sentence: str
    stopping: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()

    @property
    def satisfied(self) -> bool:
        return self.exit_code is ExitCode.SATISFIED

    def as_dict(self) -> dict[str, Any]:
        return {
            "satisfied": self.satisfied,
            "exit_code": int(self.exit_code),
            "sentence": self.sentence,
            "stopping": list(self.stopping),
            "waived": list(self.waived),
        }


def decide(
    scorecard: Scorecard,
    policy: Policy,
    *,
    catalog: Catalog | None = None,
    on: date | None = None,
    whole: bool = False,
) -> Decision:
    """Decide whether a run satisfies a policy. Of several reasons, open gaps come first.

    Args:
        scorecard: the scorecard of the run.
        policy: the policy.
        catalog: defines the gaps and clauses that the rules match; without it only those of the scorecard
            are checked.
        on: the date, for waivers; default the date of the run's end.
        whole: apply the whole policy to a run of selected gaps, as a release gate does; else such a run need
            not judge more than the selected gaps and clauses.

    Returns:
        exit code 1 for an open gap that gates; 3 for an inconclusive one, for a canary that is
        not open and for a run that was aborted; 4 for one that was not judged, for a gap or clause that
        a rule names and the scorecard lacks, for too few gaps judged and for a missing shard; in this
        order.
    """
    on = on or scorecard.ended_at.date()
    stopping, waived = _stopping(scorecard.gaps, policy, on)
    missing = (
        () if catalog is None or (scorecard.narrowed and not whole) else _missing(scorecard, policy, catalog)
    )
    held = _held(policy, on)
    lacking = [name for gap, name in missing if gap not in held]
    ids = tuple(dict.fromkeys([*stopping, *(gap for gap, _ in missing if gap not in held)]))
    waived = tuple(dict.fromkeys([*waived, *(gap for gap, _ in missing if gap in held)]))
    also = f" ({', '.join(waived)} waived)" if waived else ""

    for code, reason in _reasons(scorecard, policy, stopping, lacking, whole=whole):
        return Decision(code, f"blocked, {reason}{also}", ids, waived)
    return Decision(ExitCode.SATISFIED, f"passed{also}", ids, waived)


def _reasons(
    scorecard: Scorecard,
    policy: Policy,
    stopping: Mapping[str, Verdict],
    lacking: Sequence[str],
    *,
    whole: bool,
) -> Sequence[tuple[ExitCode, str]]:
    """Return all reasons that stop the release, most important first."""
    found: list[tuple[ExitCode, str]] = []
    if opened := _named(scorecard, stopping, Verdict.OPEN):
        found.append((ExitCode.OPEN, opened))
    found += _load(scorecard, policy, Verdict.OPEN, ExitCode.OPEN)
    if not scorecard.complete:
        found.append((ExitCode.INCONCLUSIVE, f"the run was not completed: {scorecard.aborted or 'aborted'}"))
    if policy.canary and scorecard.canary is None and scorecard.gaps:
        found.append((ExitCode.INCONCLUSIVE, "no canary was judged, so the run proves nothing"))
    elif scorecard.canary and not scorecard.canary.is_open:
        canary = scorecard.canary
        found.append(
            (
                ExitCode.INCONCLUSIVE,
                f"the canary {canary.mutant} is {canary.verdict}, not open: the run proves nothing",
            )
        )
    if doubtful := _named(scorecard, _without_parts(scorecard, stopping), Verdict.INCONCLUSIVE):
        found.append((ExitCode.INCONCLUSIVE, doubtful))
    found += _load(scorecard, policy, Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE)
    if uncovered := _named(scorecard, stopping, Verdict.NOT_COVERED):
        found.append((ExitCode.TOO_FEW, uncovered))
    if lacking:
        shown = ", ".join(lacking[:3])
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        verb = "is" if len(lacking) == 1 else "are"
        found.append(
            (ExitCode.TOO_FEW, f"{shown}{more} {verb} named by the policy and not asked in the scorecard")
        )
    if scorecard.run.shard and scorecard.run.shard.missing:
        shard = scorecard.run.shard
        missing = ", ".join(map(str, shard.missing))
        found.append((ExitCode.TOO_FEW, f"of {shard.of} shards {missing} is missing"))
    wanted = policy.minimum_judged
    if scorecard.narrowed and not whole:
        wanted = min(wanted, len(scorecard.gaps))
    judged = sum(_judged(gap, policy) for gap in scorecard.gaps)
    if judged < wanted:
        found.append((ExitCode.TOO_FEW, f"{judged} of at least {wanted} gaps were judged"))
    return found


def _judged(gap: GapScore, policy: Policy) -> bool:
    """Return whether a gap is closed or open; if its rules name only clauses, by these clauses."""
    rules = [rule for rule in policy.rules if rule.matches(gap)]
    if not rules or not all(rule.clauses for rule in rules):
        return gap.judged
    return all(rule.verdict(gap) in (Verdict.CLOSED, Verdict.OPEN) for rule in rules)


def _missing(scorecard: Scorecard, policy: Policy, catalog: Catalog) -> tuple[tuple[str, str], ...]:
    """Return (gap, name) of each gap and clause that a rule needs and that the scorecard lacks."""
    asked = {clause.id for gap in scorecard.gaps for clause in gap.clauses if clause.asked}
    optional = set(policy.optional_means)
    found: list[tuple[str, str]] = []
    for gap in catalog.gaps:
        rules = [rule for rule in policy.rules if rule.matches(gap)]
        needed = [
            clause.name
            for clause in gap.clauses
            if any(rule.names(clause.name) for rule in rules) and not optional.intersection(clause.by)
        ]
        lacking = [name for name in needed if name not in asked]
        if lacking and len(lacking) == len(needed):
            found.append((gap.id, gap.id))
        else:
            found += [(gap.id, name) for name in lacking]
    return tuple(found)


def _held(policy: Policy, on: date) -> set[str]:
    return {waiver.gap for waiver in policy.waivers if on <= waiver.until}


def _stopping(
    gaps: Sequence[GapScore], policy: Policy, on: date
) -> tuple[dict[str, Verdict], tuple[str, ...]]:
    """Return the gaps that stop the release, each with the worst stopping verdict, and the waived ones."""
    stopping: dict[str, Verdict] = {}
    for gap in gaps:
        stopped = [
            rule.verdict(gap) for rule in policy.rules if rule.matches(gap) and rule.verdict(gap) in rule.stop
        ]
        if stopped:
            stopping[gap.id] = worst(stopped)
    held = _held(policy, on)
    return (
        {gap: verdict for gap, verdict in stopping.items() if gap not in held},
        tuple(gap for gap in stopping if gap in held),
    )


def _load(
    scorecard: Scorecard, policy: Policy, verdict: Verdict, code: ExitCode
) -> list[tuple[ExitCode, str]]:
    loads = [score for score in scorecard.load if score.verdict is verdict and verdict in policy.load]
    return [(code, f"load profile {score.profile} is {verdict}: {score.reason}") for score in loads]


def _without_parts(scorecard: Scorecard, stopping: Mapping[str, Verdict]) -> Mapping[str, Verdict]:
    """Remove the gaps that are inconclusive only because other shards have scenarios of them.

    A missing shard stops the release with a separate reason.
    """
    if scorecard.run.shard is None or not scorecard.run.shard.missing:
        return stopping
    in_part = {
        gap.id
        for gap in scorecard.gaps
        if all(
            clause.reason.startswith(IN_PART)
            for clause in gap.clauses
            if clause.verdict is Verdict.INCONCLUSIVE
        )
    }
    return {gap: verdict for gap, verdict in stopping.items() if gap not in in_part}


def _named(scorecard: Scorecard, stopping: Mapping[str, Verdict], verdict: Verdict) -> str:
    """Return e.g. `SYS-03 is open (P0)`, with the number of further gaps; "" for none."""
    those = [gap for gap in scorecard.gaps if stopping.get(gap.id) is verdict]
    first = [f"{gap.id} is {verdict} ({gap.priority})" for gap in those[:3]]
    more = f" and {len(those) - 3} more" if len(those) > 3 else ""
    return ", ".join(first) + more
