"""The gate policy: which verdicts of which gaps stop a release, and how it decides."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.catalog.catalog import Catalog, priorities_of
from harness.errors import ConfigError, ExitCode, UnknownGap
from harness.verdicts.scorecard import GapScore, Scorecard
from harness.verdicts.verdict import Verdict


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Table):
    """Gaps of some priorities, themes or names, and the verdicts of theirs that stop a release.

    A gap must satisfy everything the rule says; what it does not say matches every gap.
    """

    priority: str = ""
    themes: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    stop: Annotated[tuple[Verdict, ...], Field(min_length=1)]

    def matches(self, gap: GapScore) -> bool:
        """Whether the rule speaks of a gap."""
        return (
            (not self.priority or gap.priority in priorities_of(self.priority))
            and (not self.themes or gap.theme in self.themes)
            and (not self.gaps or gap.id in self.gaps)
        )

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
    """A gap that stops nothing until a day, and who accepted that and why."""

    gap: str
    until: date
    reason: Annotated[str, Field(min_length=1)]


class Policy(_Table):
    """What a release must satisfy.

    Args:
        rules: what stops it.
        minimum_judged: how many gaps must be known to be closed or open.
        canary: a run that judges gaps must have judged a canary, and found it open.
        load: the verdicts of load profiles that stop it.
        waivers: gaps that are let through for a time.
    """

    rules: tuple[Rule, ...] = (Rule(priority="P0-P1", stop=(Verdict.OPEN, Verdict.INCONCLUSIVE)),)
    minimum_judged: Annotated[int, Field(ge=0)] = 1
    canary: bool = True
    load: tuple[Verdict, ...] = (Verdict.OPEN, Verdict.INCONCLUSIVE)
    waivers: tuple[Waiver, ...] = ()

    @classmethod
    def parse(cls, text: str, where: str) -> Policy:
        """The policy a TOML text states.

        Raises:
            ConfigError: it is no TOML, or says what no policy can.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: not TOML: {error}") from error
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error

    def check(self, catalog: Catalog) -> None:
        """Refuse rules and waivers for gaps that the catalog does not have.

        Raises:
            UnknownGap: naming the nearest.
        """
        for name in [*(gap for rule in self.rules for gap in rule.gaps), *(w.gap for w in self.waivers)]:
            catalog.gap(name)
        for theme in dict.fromkeys(theme for rule in self.rules for theme in rule.themes):
            catalog.select(theme=theme)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy makes of a scorecard.

    Args:
        exit_code: of the whole command.
        sentence: why, in one sentence.
        stopping: the gaps that stop the release, by id.
        waived: the gaps that would, were they not waived.
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


def decide(scorecard: Scorecard, policy: Policy, *, on: date | None = None, whole: bool = False) -> Decision:
    """Whether a run satisfies a policy. Where several things stop it, open gaps speak first.

    Args:
        scorecard: of the run.
        policy: what it must satisfy.
        on: the day, for waivers; default the day the run ended.
        whole: hold a run of chosen gaps to the whole minimum, as a release gate does; else it
            need not judge more gaps than were chosen.

    Returns:
        exit code 1 for an open gap that gates; 3 for an inconclusive one, for a canary that does
        not sing and for a run that was aborted; 4 for one that nobody judged, for too few gaps
        judged and for a missing shard; in this order.
    """
    on = on or scorecard.ended_at.date()
    stopping, waived = _stopping(scorecard.gaps, policy, on)
    ids = tuple(gap.id for gap in stopping)
    also = f" ({', '.join(waived)} waived)" if waived else ""

    for code, reason in _reasons(scorecard, policy, stopping, whole=whole):
        return Decision(code, f"blocked, {reason}{also}", ids, waived)
    return Decision(ExitCode.SATISFIED, f"passed{also}", ids, waived)


def _reasons(
    scorecard: Scorecard, policy: Policy, stopping: Sequence[GapScore], *, whole: bool
) -> Sequence[tuple[ExitCode, str]]:
    """Everything that stops the release, what speaks first first."""
    found: list[tuple[ExitCode, str]] = []
    opened = [gap for gap in stopping if gap.verdict is Verdict.OPEN]
    doubtful = [gap for gap in stopping if gap.verdict is Verdict.INCONCLUSIVE]
    uncovered = [gap for gap in stopping if gap.verdict is Verdict.NOT_COVERED]
    if opened:
        found.append((ExitCode.OPEN, _named(opened)))
    found += _load(scorecard, policy, Verdict.OPEN, ExitCode.OPEN)
    if not scorecard.complete:
        found.append((ExitCode.INCONCLUSIVE, f"the run was not completed: {scorecard.aborted or 'aborted'}"))
    if policy.canary and scorecard.canary is None and scorecard.gaps:
        found.append((ExitCode.INCONCLUSIVE, "no canary was judged, so the run proves nothing"))
    elif scorecard.canary and not scorecard.canary.sings:
        canary = scorecard.canary
        found.append(
            (
                ExitCode.INCONCLUSIVE,
                f"the canary {canary.mutant} is {canary.verdict}, not open: the run proves nothing",
            )
        )
    if doubtful:
        found.append((ExitCode.INCONCLUSIVE, _named(doubtful)))
    found += _load(scorecard, policy, Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE)
    if uncovered:
        found.append((ExitCode.TOO_FEW, _named(uncovered)))
    if scorecard.run.shard and scorecard.run.shard.missing:
        shard = scorecard.run.shard
        missing = ", ".join(map(str, shard.missing))
        found.append((ExitCode.TOO_FEW, f"of {shard.of} shards {missing} is missing"))
    wanted = policy.minimum_judged
    if scorecard.narrowed and not whole:
        wanted = min(wanted, len(scorecard.gaps))
    if len(scorecard.judged) < wanted:
        found.append((ExitCode.TOO_FEW, f"{len(scorecard.judged)} of at least {wanted} gaps were judged"))
    return found


def _stopping(gaps: Sequence[GapScore], policy: Policy, on: date) -> tuple[list[GapScore], tuple[str, ...]]:
    stopping = [
        gap for gap in gaps if any(rule.matches(gap) and gap.verdict in rule.stop for rule in policy.rules)
    ]
    held = {waiver.gap for waiver in policy.waivers if on <= waiver.until}
    return [gap for gap in stopping if gap.id not in held], tuple(g.id for g in stopping if g.id in held)


def _load(
    scorecard: Scorecard, policy: Policy, verdict: Verdict, code: ExitCode
) -> list[tuple[ExitCode, str]]:
    loads = [score for score in scorecard.load if score.verdict is verdict and verdict in policy.load]
    return [(code, f"load profile {score.profile} is {verdict}: {score.reason}") for score in loads]


def _named(gaps: Sequence[GapScore]) -> str:
    """`SYS-03 is open (P0)`, and how many more there are."""
    first = [f"{gap.id} is {gap.verdict} ({gap.priority})" for gap in gaps[:3]]
    more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
    return ", ".join(first) + more
