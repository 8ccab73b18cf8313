"""The scorecard as JUnit XML: a suite a gap, a case a clause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from harness.reporting.wording import clause_reason, exercised
from harness.verdicts.scorecard import ClauseScore, GapScore, Scorecard
from harness.verdicts.verdict import Verdict

# What XML 1.0 has no way to write (https://www.w3.org/TR/xml/#charsets).
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(scorecard: Scorecard) -> str:
    """An open clause is a failure, an inconclusive one an error; uncovered and unasked are skipped."""
    suites = [_suite(gap, scorecard) for gap in scorecard.gaps]
    root = ET.Element("testsuites", {"name": f"overbooked {scorecard.run.id}", **_sums(suites)})
    root.set("time", f"{scorecard.duration_s:.3f}")
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(gap: GapScore, scorecard: Scorecard) -> ET.Element:
    cases = [_case(clause, gap) for clause in gap.clauses]
    suite = ET.Element("testsuite", {"name": _clean(f"{gap.id} {gap.title}"), **_counts(cases)})
    suite.set("time", f"{gap.duration_s:.3f}")
    # The schema of Ant, which CI servers follow, knows no zone here: UTC it is.
    started = scorecard.run.started_at
    suite.set(
        "timestamp", (started - (started.utcoffset() or started - started)).strftime("%Y-%m-%dT%H:%M:%S")
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(gap, scorecard).items():
        ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    suite.extend(cases)
    return suite


def _properties(gap: GapScore, scorecard: Scorecard) -> Mapping[str, str]:
    run = scorecard.run
    return {
        "priority": gap.priority,
        "theme": gap.theme,
        "verdict": gap.verdict.value,
        "run": run.id,
        "seed": str(run.seed),
        "profile": run.profile,
        "stack": run.stack,
        **({"mutant": run.mutant} if run.mutant else {}),
    }


def _case(clause: ClauseScore, gap: GapScore) -> ET.Element:
    spent = {evidence.scenario: evidence.duration_s for evidence in clause.evidence}
    case = ET.Element(
        "testcase",
        {
            "classname": f"{gap.theme}.{gap.id}",
            "name": _clean(f"{clause.id} {clause.text}"),
            "time": f"{sum(spent.values()):.3f}",
        },
    )
    message = _clean(clause_reason(clause))
    if clause.verdict is Verdict.OPEN:
        failure = ET.SubElement(case, "failure", {"message": message, "type": "GapFound"})
        failure.text = _clean(_finding(clause))
    elif clause.verdict is Verdict.INCONCLUSIVE:
        error = ET.SubElement(case, "error", {"message": message, "type": "Inconclusive"})
        error.text = _clean(clause.reason)
    elif clause.verdict is not Verdict.CLOSED:
        why = "not covered" if clause.asked else "not asked"
        ET.SubElement(case, "skipped", {"message": f"{why}: {message}" if message else why})
    if clause.evidence:
        out = ET.SubElement(case, "system-out")
        judges = "\n".join(f"judged by {scenario}" for scenario in spent)
        out.text = _clean(f"{judges}\n{exercised(clause.evidence)}".strip())
    return case


def _finding(clause: ClauseScore) -> str:
    finding = clause.finding
    if finding is None:
        return clause.reason
    lines = [finding.what]
    lines += [f"{word}  {said}" for word, said in _said(finding.expected, finding.observed) if said]
    return "\n".join([*lines, *finding.operations])


def _said(expected: str, observed: str) -> tuple[tuple[str, str], ...]:
    return ("expected", expected), ("observed", observed)


def _counts(cases: list[ET.Element]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
    }


def _sums(suites: list[ET.Element]) -> dict[str, str]:
    return {
        name: str(sum(int(suite.get(name, "0")) for suite in suites))
        for name in ("tests", "failures", "errors", "skipped")
    }


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
