"""The scorecard as Allure results: a theme is a feature, a gap a story, a clause a test."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Attachment, Label, Parameter, Status, StatusDetails, TestResult
from allure_commons.types import AttachmentType, LabelType, Severity

from overbooked.atomic_write import CannotWrite
from overbooked.reporting.text import clause_reason, clause_verdict, load_line
from overbooked.verdicts.evidence import Finding
from overbooked.verdicts.means import blind_to
from overbooked.verdicts.scorecard import ClauseScore, GapScore, LoadScore, ScenarioScore, Scorecard
from overbooked.verdicts.verdict import Verdict

SEVERITIES: Mapping[str, Severity] = {
    "P0": Severity.BLOCKER,
    "P1": Severity.CRITICAL,
    "P2": Severity.NORMAL,
    "P3": Severity.MINOR,
}
STATUSES: Mapping[Verdict | None, str] = {
    Verdict.CLOSED: Status.PASSED,
    Verdict.OPEN: Status.FAILED,
    # The harness failed, not the system; Allure calls that "broken".
    Verdict.INCONCLUSIVE: Status.BROKEN,
    Verdict.NOT_COVERED: Status.SKIPPED,
    None: Status.SKIPPED,
}


class _Sink(Protocol):
    """The part of Allure's file logger that is used; Allure has no type hints."""

    def report_result(self, result: TestResult) -> None: ...

    def report_attached_data(self, body: str, file_name: str) -> None: ...


_file_logger: Callable[..., _Sink] = AllureFileLogger


def write_allure(scorecard: Scorecard, folder: Path, *, categories: Path | None = None) -> None:
    """Write Allure results into a folder.

    The history id of a clause is the same in every run, so that Allure shows its trend.

    Args:
        scorecard: the scorecard of the run.
        folder: the output folder; its contents are deleted first.
        categories: Allure's categories.json, copied beside the results.

    Raises:
        CannotWrite: the message names the folder and the reason.
    """
    try:
        logger = _file_logger(str(folder), clean=True)
        scenarios = {scenario.id: scenario for scenario in scorecard.scenarios}
        for gap in scorecard.gaps:
            for clause in gap.clauses:
                _write(logger, clause, gap, scorecard, scenarios)
        for score in scorecard.load:
            _write_load(logger, score, scorecard)
        if categories is not None:
            shutil.copyfile(categories, folder / "categories.json")
        (folder / "environment.properties").write_text(environment(scorecard), encoding="utf-8")
    except OSError as error:
        raise CannotWrite(f"cannot write Allure results to {folder}: {error.strerror or error}") from error


def environment(scorecard: Scorecard) -> str:
    """Allure's environment.properties: what ran, one `name=value` per line."""
    run = scorecard.run
    facts = {
        "Run": run.id,
        "Target": run.target,
        "Stack": run.stack,
        "Profile": run.profile,
        "Seed": str(run.seed),
        "Mutant": run.mutant or "",
        "Canary": f"{scorecard.canary.mutant} {scorecard.canary.verdict}" if scorecard.canary else "none",
        **run.versions,
    }
    return "".join(f"{_property(name)}={_property(value)}\n" for name, value in facts.items() if value)


def _property(text: str) -> str:
    """Escape for java.util.Properties, whose keys end at the first blank, = or colon."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    for special in " =:":
        escaped = escaped.replace(special, f"\\{special}")
    return escaped


def _write(
    logger: _Sink,
    clause: ClauseScore,
    gap: GapScore,
    scorecard: Scorecard,
    scenarios: Mapping[str, ScenarioScore],
) -> None:
    run = scorecard.run
    judges = [scenarios[e.scenario] for e in clause.evidence if e.scenario in scenarios]
    starts = [judge.started_at.timestamp() for judge in judges if judge.started_at]
    start = min(starts, default=run.started_at.timestamp())
    spent = sum({e.scenario: e.duration_s for e in clause.evidence}.values())
    result = TestResult(
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run.id} {clause.id}")),
        historyId=_digest(clause.id, run.target, run.mutant or ""),
        testCaseId=_digest(clause.id, run.target),
        fullName=clause.id,
        name=f"{clause.id} {clause.text}",
        titlePath=[gap.theme, f"{gap.id} {gap.title}"],
        status=STATUSES[clause.verdict],
        statusDetails=_details(clause, judges),
        stage="finished",
        description=_description(clause, gap),
        labels=list(_labels(clause, gap)),
        parameters=list(_parameters(scorecard)),
        start=int(start * 1000),
        stop=int((start + spent) * 1000),
    )
    for name, body, kind in _attached(clause, judges):
        source = f"{uuid.uuid5(uuid.NAMESPACE_OID, result.uuid + name)}-attachment.{kind.extension}"
        logger.report_attached_data(body, source)
        result.attachments.append(Attachment(name=name, source=source, type=kind.mime_type))
    logger.report_result(result)


def _write_load(logger: _Sink, score: LoadScore, scorecard: Scorecard) -> None:
    run = scorecard.run
    name = f"load {score.profile}"
    said = ((LabelType.EPIC, "Overbooked"), (LabelType.FEATURE, "load"), (LabelType.STORY, score.profile))
    start = int(run.started_at.timestamp() * 1000)
    result = TestResult(
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run.id} {name}")),
        historyId=_digest(name, run.target, run.mutant or ""),
        testCaseId=_digest(name, run.target),
        fullName=name,
        name=name,
        titlePath=["load"],
        status=STATUSES[score.verdict],
        statusDetails=StatusDetails(
            message=load_line(score), trace=_trace(score.finding) if score.finding else None
        ),
        stage="finished",
        labels=[Label(name=str(label), value=value) for label, value in said],
        parameters=list(_parameters(scorecard)),
        start=start,
        stop=start + int(score.duration_s * 1000),
    )
    source = f"{uuid.uuid5(uuid.NAMESPACE_OID, result.uuid + 'figures')}-attachment.json"
    logger.report_attached_data(_json(score.as_dict()), source)
    result.attachments.append(Attachment(name="figures", source=source, type=AttachmentType.JSON.mime_type))
    logger.report_result(result)


def _trace(finding: Finding) -> str:
    said = (f"expected  {finding.expected}", f"observed  {finding.observed}", *finding.operations)
    return "\n".join(said)


def _details(clause: ClauseScore, judges: list[ScenarioScore]) -> StatusDetails | None:
    if clause.verdict is Verdict.CLOSED:
        return None
    reason = clause_reason(clause)
    if clause.verdict is None:
        return StatusDetails(message=f"not asked: {reason}" if reason else "not asked")
    if clause.verdict is Verdict.NOT_COVERED:
        return StatusDetails(message=f"not covered: {reason}")
    finding = clause.finding
    if finding is None:
        return StatusDetails(message=reason, trace="\n".join(judge.trace for judge in judges if judge.trace))
    return StatusDetails(message=finding.what, trace=_trace(finding))


def _description(clause: ClauseScore, gap: GapScore) -> str:
    means = f"{clause.text}\n\nShown by: {', '.join(clause.by)}."
    if clause.verdict is Verdict.CLOSED:
        means += f"\n\nVerdict: {clause_verdict(clause)}."
        means += "".join(f"\n\nNot seen by {line}." for line in blind_to(clause.means))
    return f"{means}\n\nImpact: {gap.impact}." if gap.impact else means


def _labels(clause: ClauseScore, gap: GapScore) -> Iterator[Label]:
    said: list[tuple[str, str]] = [
        (LabelType.EPIC, "Overbooked"),
        (LabelType.FEATURE, gap.theme),
        (LabelType.STORY, f"{gap.id} {gap.title}"),
        (LabelType.SEVERITY, SEVERITIES[gap.priority].value),
        (LabelType.PARENT_SUITE, gap.theme),
        (LabelType.SUITE, f"{gap.id} {gap.title}"),
        (LabelType.FRAMEWORK, "overbooked"),
        (LabelType.LANGUAGE, "python"),
        (LabelType.TAG, gap.priority),
        *((LabelType.TAG, means) for means in clause.by),
    ]
    return (Label(name=str(name), value=value) for name, value in said)


def _parameters(scorecard: Scorecard) -> Iterator[Parameter]:
    run = scorecard.run
    said = {"profile": run.profile, "stack": run.stack, "seed": str(run.seed), "mutant": run.mutant}
    return (Parameter(name=name, value=value, excluded=True) for name, value in said.items() if value)


def _attached(clause: ClauseScore, judges: list[ScenarioScore]) -> Iterator[tuple[str, str, AttachmentType]]:
    if clause.evidence:
        yield "evidence", _json([e.as_dict() for e in clause.evidence]), AttachmentType.JSON
    finding = clause.finding
    if finding and finding.operations:
        yield "operations", "\n".join(finding.operations) + "\n", AttachmentType.TEXT
    for judge in judges:
        name = judge.id.rpartition("::")[2]
        if judge.receipts:
            yield f"receipts of {name}", _json([r.as_dict() for r in judge.receipts]), AttachmentType.JSON
        if clause.verdict is not Verdict.CLOSED:
            for part, lines in judge.logs.items():
                yield f"log of {part} during {name}", "\n".join(lines) + "\n", AttachmentType.TEXT


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False, default=str)


def _digest(*parts: str) -> str:
    return hashlib.md5("\n".join(parts).encode(), usedforsecurity=False).hexdigest()
