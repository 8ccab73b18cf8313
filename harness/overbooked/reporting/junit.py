"""The scorecard as JUnit XML: one suite per gap, one case per clause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from xml.etree import ElementTree as ET

from overbooked.reporting.text import clause_verdict, exercised, load_line
from overbooked.verdicts.evidence import Finding
from overbooked.verdicts.means import blind_to
from overbooked.verdicts.scorecard import ClauseScore, GapScore, Scorecard
from overbooked.verdicts.verdict import Verdict

# Characters that XML 1.0 cannot represent (https://www.w3.org/TR/xml/#charsets).
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(scorecard: Scorecard) -> str:
    """An open clause is a failure, an inconclusive one an error; others that are not closed are skipped."""
    suites = [_suite(gap, scorecard) for gap in scorecard.gaps]
    suites += [_load_suite(scorecard)] if scorecard.load else []
    root = ET.Element("testsuites", {"name": f"overbooked {scorecard.run.id}", **_sums(suites)})
    root.set("time", f"{scorecard.duration_s:.3f}")
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(gap: GapScore, scorecard: Scorecard) -> ET.Element:
    suite = _filled(f"{gap.id} {gap.title}", gap.duration_s, [_case(c, gap) for c in gap.clauses], scorecard)
    properties = ET.Element("properties")
    for name, value in _properties(gap, scorecard).items():
        ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    suite.insert(0, properties)
    return suite


def _load_suite(scorecard: Scorecard) -> ET.Element:
    cases = []
    for score in scorecard.load:
        case = _element("load", score.profile, score.duration_s)
        _mark(case, score.verdict, load_line(score), score.finding)
        cases.append(case)
    return _filled("load", sum(score.duration_s for score in scorecard.load), cases, scorecard)


def _filled(name: str, duration_s: float, cases: list[ET.Element], scorecard: Scorecard) -> ET.Element:
    suite = ET.Element("testsuite", {"name": _clean(name), **_counts(cases)})
    suite.set("time", f"{duration_s:.3f}")
    # Ant's schema, which CI servers follow, has no time zone here, so the time is UTC.
    suite.set("timestamp", scorecard.run.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
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
    case = _element(f"{gap.theme}.{gap.id}", f"{clause.id} {clause.text}", sum(spent.values()))
    _mark(case, clause.verdict, clause.reason, clause.finding)
    if clause.evidence:
        judges = "\n".join(f"judged by {scenario}" for scenario in spent)
        out = ET.SubElement(case, "system-out")
        lines = [judges, exercised(clause.evidence)]
        if clause.verdict is Verdict.CLOSED:
            lines += [clause_verdict(clause)]
            lines += [f"not seen by {line}" for line in blind_to(clause.means)]
        out.text = _clean("\n".join(line for line in lines if line))
    return case


def _element(classname: str, name: str, duration_s: float) -> ET.Element:
    said = {"classname": _clean(classname), "name": _clean(name), "time": f"{duration_s:.3f}"}
    return ET.Element("testcase", said)


def _mark(case: ET.Element, verdict: Verdict | None, reason: str, finding: Finding | None) -> None:
    """Mark a case as failed, broken or skipped; a closed one is left unchanged."""
    first = _clean(reason.splitlines()[0] if reason else "")
    if verdict is Verdict.OPEN:
        failure = ET.SubElement(case, "failure", {"message": first, "type": "GapFound"})
        failure.text = _clean(_told(finding) if finding else reason)
    elif verdict is Verdict.INCONCLUSIVE:
        error = ET.SubElement(case, "error", {"message": first, "type": "Inconclusive"})
        error.text = _clean(reason)
    elif verdict is not Verdict.CLOSED:
        why = "not covered" if verdict else "not asked"
        ET.SubElement(case, "skipped", {"message": f"{why}: {first}" if first else why})


def _told(finding: Finding) -> str:
    said = (("expected", finding.expected), ("observed", finding.observed))
    return "\n".join([finding.what, *(f"{w}  {s}" for w, s in said if s), *finding.operations])


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
