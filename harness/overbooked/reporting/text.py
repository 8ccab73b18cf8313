"""Texts of verdicts, evidence and durations, the same in every report."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable

from overbooked.verdicts.evidence import Finding
from overbooked.verdicts.means import RULES
from overbooked.verdicts.scorecard import ClauseScore, Evidence, GapScore, LoadScore, Scorecard
from overbooked.verdicts.verdict import Verdict

# Number of log lines of a failed part that are shown below a clause.
TAIL_SHOWN = 12


def seconds(duration_s: float) -> str:
    """`9.4 s`, `2 min 05 s`."""
    if duration_s < 99.95:
        return f"{duration_s:.1f} s"
    minutes, rest = divmod(round(duration_s), 60)
    return f"{minutes} min {rest:02d} s"


def upper_verdict(verdict: Verdict) -> str:
    """The verdict as a word; an open one in capitals."""
    return verdict.value.upper() if verdict is Verdict.OPEN else verdict.value


def share(gap: GapScore) -> str:
    """`6 clauses`, or `4 of 6 clauses` when some were not asked."""
    noun = "clause" if gap.total == 1 else "clauses"
    return f"{gap.total} {noun}" if gap.asked == gap.total else f"{gap.asked} of {gap.total} {noun}"


def exercised(*clauses: Iterable[Evidence]) -> str:
    """Return what was exercised: `36 faults, all took effect; 48 rounds`.

    Args:
        clauses: the evidence of each clause. A scenario that judges several clauses counts once; if it
            ran in several shards, once per shard.
    """
    counts: dict[str, int] = {}
    injected = bit = 0
    held: dict[tuple[str, int], Evidence] = {}
    for evidence in clauses:
        parts_of: Counter[str] = Counter()
        for each in evidence:
            parts_of[each.scenario] += 1
            held[each.scenario, parts_of[each.scenario]] = each
    for each in held.values():
        for name, n in each.counts.items():
            counts[name] = counts.get(name, 0) + n
        injected += each.injected
        bit += each.bit
    parts = [f"{n:,} {name if n != 1 else name.removesuffix('s')}" for name, n in counts.items()]
    counted = ", ".join(parts)
    if not injected:
        return counted
    noun = "fault" if injected == 1 else "faults"
    faults = f"{injected:,} {noun}, {'all' if bit == injected else bit} took effect"
    return f"{faults}; {counted}" if counted else faults


def blind(scorecard: Scorecard) -> dict[str, str]:
    """The limits of the means used by closed clauses, by means."""
    closed = [c for gap in scorecard.gaps for c in gap.clauses if c.verdict is Verdict.CLOSED]
    means = dict.fromkeys(each for clause in closed for each in clause.means)
    return {each.value: RULES[each].blind for each in means}


def short(gap: GapScore) -> str:
    """Return the last column of a gap's line."""
    if gap.verdict is Verdict.CLOSED:
        return exercised(*(clause.evidence for clause in gap.clauses))
    if gap.asked == 0:
        return gap.reason
    guilty = gap.with_verdict(gap.verdict)
    letters = ", ".join(clause.letter for clause in guilty)
    reasons = dict.fromkeys(clause.reason for clause in guilty)
    if gap.verdict is not Verdict.NOT_COVERED or len(reasons) > 1:
        return letters
    reason = next(iter(reasons)).splitlines()[0]
    return reason if len(guilty) == gap.asked else f"{letters}: {reason}"


def counts(scorecard: Scorecard) -> str:
    """`6 gaps: 5 closed, 1 open`; for a run of load only, its profiles."""
    if not scorecard.gaps and scorecard.load:
        return ", ".join(f"load {score.profile}: {score.verdict}" for score in scorecard.load)
    counted = [(verdict, len(scorecard.with_verdict(verdict))) for verdict in Verdict]
    words = ", ".join(f"{n} {verdict.value}" for verdict, n in counted if n)
    noun = "gap" if len(scorecard.gaps) == 1 else "gaps"
    return f"{len(scorecard.gaps)} {noun}: {words}" if words else "no gaps"


def load_line(score: LoadScore) -> str:
    """The result of a load profile: the reason if it is not closed, and its summary."""
    reason = "" if score.verdict is Verdict.CLOSED else score.reason
    return "; ".join(part for part in (reason, score.summary) if part)


def heading(scorecard: Scorecard) -> tuple[str, ...]:
    """The facts of a run: stack and versions, mutant, profile, seed, run."""
    run = scorecard.run
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    parts = [f"{run.stack}: {versions}" if versions else run.stack]
    if run.mutant:
        parts.append(f"mutant {run.mutant}")
    return (*parts, f"profile {run.profile}", f"seed {run.seed}", f"run {run.id}")


def lanes(finding: Finding) -> tuple[str, ...]:
    """The lanes of a finding's schedule, line by line; empty if it has no schedule."""
    drawn = finding.details.get("lanes")
    return tuple(map(str, drawn)) if isinstance(drawn, list | tuple) else ()


def replay(finding: Finding) -> str:
    """The command that replays a finding, or why there is none; "" if it has no recording."""
    if command := finding.details.get("replay"):
        return str(command)
    return f"no bundle: {missing}" if (missing := finding.details.get("no bundle")) else ""


def again(clause: str, scorecard: Scorecard) -> str:
    """The command that judges one clause again with the same options."""
    run = scorecard.run
    as_it_was = ["--profile", run.profile, "--stack", run.stack, "--seed", str(run.seed)]
    mutant = ["--mutant", run.mutant] if run.mutant else []
    return shlex.join(["overbooked", "run", clause, *as_it_was, *mutant, *run.options])


def canary_line(scorecard: Scorecard) -> str:
    """Return the result of the canary."""
    canary = scorecard.canary
    if canary is None:
        return "no canary was judged: these verdicts are unproven"
    if canary.is_open:
        return f"canary {canary.mutant} is open, as it must be"
    why = f" ({canary.reason})" if canary.reason else ""
    return f"canary {canary.mutant} is {canary.verdict}, not open{why}: this run proves nothing"


def clause_verdict(clause: ClauseScore) -> str:
    """The verdict; for a closed clause with its evidence: `closed (51 of 441 fault points)`."""
    said = clause.exercised if clause.verdict is Verdict.CLOSED else ""
    return f"{clause.verdict} ({said})" if said else str(clause.verdict)


def clause_reason(clause: ClauseScore) -> str:
    """The reason of a verdict in one line; for a closed clause, what was exercised."""
    if clause.verdict is Verdict.CLOSED:
        return exercised(clause.evidence)
    return clause.reason.splitlines()[0] if clause.reason else ""


def clause_tail(clause: ClauseScore) -> tuple[str, ...]:
    """The lines below an inconclusive clause's reason: the end of a failed part's log."""
    if clause.verdict is not Verdict.INCONCLUSIVE:
        return ()
    return tuple(line.strip() for line in clause.reason.splitlines()[1:] if line.strip())[-TAIL_SHOWN:]
