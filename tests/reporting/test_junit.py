"""JUnit XML of the shape that Jenkins' and Ant's schemas share (junit-10.xsd)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from xml.etree import ElementTree as ET

import pytest

from overbooked.reporting.junit import junit_xml
from overbooked.verdicts.scorecard import Scorecard
from tests.verdicts.samples import CLOSED, FINDING, INCONCLUSIVE, LOAD, OPEN, RUN, result, scenario, scorecard

# Element -> (required attributes, optional attributes, allowed children in order).
SHAPE: dict[str, tuple[set[str], set[str], list[str]]] = {
    "testsuites": ({"name", "tests", "failures", "errors"}, {"time", "skipped"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests"},
        {"failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": (
        {"name", "classname"},
        {"time", "assertions", "status"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    "failure": (set(), {"message", "type"}, []),
    "error": (set(), {"message", "type"}, []),
    "skipped": (set(), {"message", "type"}, []),
    "system-out": (set(), set(), []),
}


def check(element: ET.Element) -> None:
    needed, allowed, children = SHAPE[element.tag]
    assert needed <= set(element.attrib) <= needed | allowed, element.tag
    places = [children.index(child.tag) for child in element]
    assert places == sorted(places), f"{element.tag}: {[child.tag for child in element]}"
    for child in element:
        check(child)


def mixed() -> Scorecard:
    return scorecard({"T-1.b": CLOSED, "T-1.c": OPEN, "T-2.a": INCONCLUSIVE})


def cases(card: Scorecard) -> dict[str, ET.Element]:
    root = ET.fromstring(junit_xml(card))
    return {case.attrib["name"].split()[0]: case for case in root.iter("testcase")}


@pytest.mark.parametrize("card", [mixed(), scorecard(), scorecard({"T-2.a": OPEN}, gaps=("T-2",))])
def test_it_has_the_shape_that_ci_servers_read(card: Scorecard):
    check(ET.fromstring(junit_xml(card)))


def test_a_suite_is_a_gap_and_a_case_a_clause():
    root = ET.fromstring(junit_xml(mixed()))
    assert [suite.attrib["name"] for suite in root] == [
        "T-1 Last place sold twice",
        "T-2 Price forgotten",
        "T-3 Wrong zone",
    ]
    assert list(cases(mixed())) == ["T-1.a", "T-1.b", "T-1.c", "T-2.a", "T-3.a"]
    assert cases(mixed())["T-1.b"].attrib["classname"] == "revenue.T-1"


def test_an_open_clause_fails_with_what_was_expected_and_observed():
    failure = cases(mixed())["T-1.c"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == FINDING.what
    assert failure.text is not None
    assert "expected  at most 1 booking\nobserved  2 bookings\nana  book" in failure.text


def test_an_open_clause_without_a_finding_fails_with_its_reason():
    card = scorecard(ran=[scenario(result("T-2.a", OPEN, finding=None, reason="it died"))])
    failure = cases(card)["T-2.a"].find("failure")
    assert failure is not None
    assert failure.text == "it died"


def test_an_inconclusive_clause_is_an_error():
    error = cases(mixed())["T-2.a"].find("error")
    assert error is not None
    assert error.attrib["message"] == "inconclusive it is"


def test_what_is_not_asked_or_not_covered_is_skipped_with_the_reason():
    unasked = cases(mixed())["T-1.a"].find("skipped")
    uncovered = cases(scorecard())["T-1.b"].find("skipped")
    assert unasked is not None
    assert uncovered is not None
    assert unasked.attrib["message"].startswith("not asked: profile quick does not ask for interleavings")
    assert uncovered.attrib["message"] == "not covered: no scenario judges it"


def test_the_sums_are_those_of_the_suites():
    root = ET.fromstring(junit_xml(mixed()))
    sums = {name: root.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert sums == {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"}


def test_the_start_is_in_utc():
    run = replace(RUN, started_at=RUN.started_at.astimezone(timezone(timedelta(hours=5))))
    root = ET.fromstring(junit_xml(scorecard(run=run)))
    assert root[0].attrib["timestamp"] == "2025-11-21T09:30:00"


def test_the_mutant_of_a_run_is_a_property():
    root = ET.fromstring(junit_xml(scorecard(run=replace(RUN, mutant="T-1.1"))))
    assert [p.attrib["value"] for p in root.iter("property") if p.attrib["name"] == "mutant"] == ["T-1.1"] * 3


def test_what_xml_cannot_write_is_replaced():
    finding = replace(FINDING, observed="a\x00b\x1b[31m \ud800 <&>")
    card = scorecard(ran=[scenario(result("T-2.a", OPEN, finding=finding))])
    failure = cases(card)["T-2.a"].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "a\ufffdb\ufffd[31m \ufffd <&>" in failure.text


def test_load_profiles_are_a_suite():
    card = scorecard(load=[LOAD, replace(LOAD, profile="soak", verdict=INCONCLUSIVE, finding=None)])
    root = ET.fromstring(junit_xml(card))
    check(root)
    suite = root[-1]
    assert suite.attrib["name"] == "load"
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("2", "1", "1")
    assert suite.attrib["time"] == "40.000"
