"""The scorecard as a Markdown summary: for a merge request, or for readers without a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from overbooked.reporting.text import (
    again,
    blind,
    canary_line,
    clause_reason,
    clause_verdict,
    counts,
    heading,
    lanes,
    load_line,
    replay,
    seconds,
    share,
    short,
    upper_verdict,
)
from overbooked.verdicts.evidence import Finding
from overbooked.verdicts.policy import Decision
from overbooked.verdicts.scorecard import ClauseScore, GapScore, Scorecard
from overbooked.verdicts.verdict import Verdict


def scorecard_markdown(scorecard: Scorecard, decision: Decision | None = None) -> str:
    """Return what was judged, what is open and why, and what was not asked."""
    return "\n".join(_lines(scorecard, decision)).rstrip() + "\n"


def _lines(scorecard: Scorecard, decision: Decision | None) -> Iterator[str]:
    yield f"# {counts(scorecard)}"
    yield ""
    if not scorecard.complete:
        yield f"**This run was not completed: {cell(scorecard.aborted or 'aborted')}.**"
        yield ""
    if decision is not None:
        yield f"**Gate: {cell(decision.sentence)}.**"
        yield ""
    yield f"- {cell(', '.join(heading(scorecard)))}"
    yield f"- {cell(canary_line(scorecard))}"
    yield f"- started {scorecard.run.started_at:%Y-%m-%d %H:%M:%S %Z}, took {seconds(scorecard.duration_s)}"
    for error in scorecard.errors:
        yield f"- error: {cell(error)}"
    yield ""
    yield from _verdicts(scorecard)
    for verdict, title in ((Verdict.OPEN, "Open"), (Verdict.INCONCLUSIVE, "Inconclusive")):
        gaps = scorecard.with_verdict(verdict)
        if gaps:
            yield f"## {title}"
            yield ""
            for gap in gaps:
                yield from _gap(gap, scorecard)
    yield from _closed(scorecard)
    yield from _load(scorecard)
    yield from _not_asked(scorecard)
    yield from _not_covered(scorecard)
    yield from _blind(scorecard)


def _verdicts(scorecard: Scorecard) -> Iterator[str]:
    told = [gap for gap in scorecard.gaps if gap.begun]
    if not told:
        return
    yield from table(
        ("verdict", "gap", "priority", "theme", "clauses", "evidence", "time"),
        (
            (
                f"**{upper_verdict(gap.verdict)}**"
                if gap.verdict is not Verdict.CLOSED
                else gap.verdict.value,
                f"{gap.id} {gap.title}",
                gap.priority,
                gap.theme,
                share(gap),
                short(gap),
                seconds(gap.duration_s),
            )
            for gap in told
        ),
    )
    yield ""


def _closed(scorecard: Scorecard) -> Iterator[str]:
    """The evidence of each closed clause, also in gaps that are not closed."""
    closed = [clause for gap in scorecard.gaps for clause in gap.with_verdict(Verdict.CLOSED)]
    if closed:
        yield "## Closed clauses"
        yield ""
        yield from table(
            ("clause", "by", "verdict"),
            ((c.id, ", ".join(c.by), clause_verdict(c)) for c in closed),
        )
        yield ""


def _blind(scorecard: Scorecard) -> Iterator[str]:
    if found := blind(scorecard):
        yield "## What these means cannot see"
        yield ""
        for means, what in found.items():
            yield f"- {means}: {what}"
        yield ""


def _gap(gap: GapScore, scorecard: Scorecard) -> Iterator[str]:
    yield f"### {gap.id} {gap.title}"
    yield ""
    if gap.impact:
        yield f"Impact: {gap.impact}."
        yield ""
    for verdict in (Verdict.OPEN, Verdict.INCONCLUSIVE):
        for clause in gap.with_verdict(verdict):
            yield from _clause(clause)
            yield f"Again: `{again(clause.id, scorecard)}`"
            yield ""


def _clause(clause: ClauseScore) -> Iterator[str]:
    yield f"**{clause.id}** is {clause.verdict}: {cell(clause.text)}"
    yield ""
    finding = clause.finding
    if finding is None:
        yield f"- why: {cell(clause_reason(clause))}"
    else:
        yield from _finding(finding)
    for scenario in dict.fromkeys(evidence.scenario for evidence in clause.evidence):
        yield f"- judged by `{scenario}`"
    if finding:
        yield from _operations(finding)
    yield ""


def _load(scorecard: Scorecard) -> Iterator[str]:
    if not scorecard.load:
        return
    yield "## Load"
    yield ""
    for score in scorecard.load:
        yield f"**{cell(score.profile)}** is {score.verdict}: {cell(load_line(score))}"
        yield ""
        if score.finding:
            yield from _finding(score.finding)
            yield from _operations(score.finding)
            yield ""


def _finding(finding: Finding) -> Iterator[str]:
    yield f"- found: {cell(finding.what)}"
    for word, said in (("expected", finding.expected), ("observed", finding.observed)):
        if said:
            yield f"- {word}: {cell(said)}"


def _operations(finding: Finding) -> Iterator[str]:
    if shown := (lanes(finding) or finding.operations):
        yield ""
        yield from _fenced(shown)
    if command := replay(finding):
        yield ""
        yield f"Replay: `{command}`" if finding.details.get("replay") else cell(command)


def _not_asked(scorecard: Scorecard) -> Iterator[str]:
    judged = [gap for gap in scorecard.gaps if gap.begun]
    reasons: dict[str, list[str]] = {}
    for gap in judged:
        for clause in gap.clauses:
            if not clause.asked:
                reasons.setdefault(clause.reason or "no reason given", []).append(clause.id)
    if reasons:
        yield "## Not asked of these gaps"
        yield ""
        for reason, clauses in reasons.items():
            yield f"- {', '.join(clauses)}: {cell(reason)}"
        yield ""


def _not_covered(scorecard: Scorecard) -> Iterator[str]:
    gaps = scorecard.with_verdict(Verdict.NOT_COVERED)
    reasons: dict[str, list[str]] = {}
    for gap in gaps:
        if not gap.begun:
            reasons.setdefault(gap.reason, []).append(gap.id)
    for gap in scorecard.gaps:  # for a partly judged gap, clause by clause
        if gap.begun:
            for clause in gap.with_verdict(Verdict.NOT_COVERED):
                reasons.setdefault(clause.reason, []).append(clause.id)
    if not reasons:
        return
    yield "## Not covered"
    yield ""
    for reason, ids in reasons.items():
        yield f"- {cell(reason)} ({len(ids)}): {', '.join(ids)}"
    yield ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    columns = list(head)
    yield f"| {' | '.join(columns)} |"
    yield f"|{'|'.join('---' for _ in columns)}|"
    for row in rows:
        yield f"| {' | '.join(cell(value) for value in row)} |"


def cell(text: str) -> str:
    """Text on one line, with the cell separator escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def _fenced(lines: Iterable[str]) -> Iterator[str]:
    body = list(lines)
    # A fence longer than any inside the text.
    fence = "```"
    while any(fence in line for line in body):
        fence += "`"
    yield fence
    yield from body
    yield fence
