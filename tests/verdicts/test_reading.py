from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from overbooked.errors import ExitCode
from overbooked.verdicts.scorecard import SCHEMA_VERSION, Canary, LoadScore, Scorecard, Shard
from overbooked.verdicts.scorecard_reader import BadScorecard, parse_scorecard, schema, scorecard_of
from tests.verdicts.samples import (
    CLOSED,
    INCONCLUSIVE,
    LOAD,
    OPEN,
    RUN,
    TOOTHLESS,
    result,
    scenario,
    scorecard,
)


def full() -> Scorecard:
    """A scorecard with something in every field."""
    ran = [
        scenario(result("T-1.b", CLOSED, notes={"odds": 0.999})),
        scenario(
            result("T-1.c", OPEN, receipts=(TOOTHLESS,)), logs={"app": ["a line"]}, trace="Traceback ..."
        ),
        scenario(result("T-1.c", CLOSED), started_at=None),
        scenario(result("T-2.a", INCONCLUSIVE)),
    ]
    return scorecard(
        ran=ran,
        gaps=("T-1", "T-2"),
        run=replace(RUN, mutant="T-1.2", shard=Shard(3, (1, 3), {"T-1.b": ("one.py::test_it",)})),
        complete=False,
        aborted="interrupted",
        errors=["the disk was slow"],
        load=[LOAD, LoadScore("smoke", CLOSED)],
        canary=Canary("T-1.1", INCONCLUSIVE, (), "the stack died", 2.0),
    )


@pytest.mark.parametrize("card", [full(), scorecard(), scorecard({"T-2.a": CLOSED}, canary=None)])
def test_a_scorecard_is_read_as_it_was_written(card: Scorecard):
    assert parse_scorecard(json.dumps(card.as_dict()), "here") == card


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_the_schema_describes_everything_that_is_written():
    """Nothing is written that it does not name, and it names nothing that is not written."""

    def compare(document: Any, described: dict[str, Any]) -> None:
        described = described["oneOf"][1] if "oneOf" in described else described
        if "$ref" in described:
            described = schema()["$defs"][described["$ref"].rpartition("/")[2]]
        if isinstance(document, dict) and "properties" in described:
            assert set(document) == set(described["properties"]) == set(described["required"])
            for name, value in document.items():
                compare(value, described["properties"][name])
        if isinstance(document, list) and document:
            compare(document[0], described["items"])

    compare(full().as_dict(), dict(schema()))


def test_the_document_lists_gaps_with_clauses_and_evidence():
    data = full().as_dict()
    assert data["summary"] == {"closed": 0, "open": 1, "inconclusive": 1, "not covered": 0}
    gap = data["gaps"][0]
    assert (gap["id"], gap["verdict"], gap["asked"], gap["total"]) == ("T-1", "open", 2, 3)
    assert [(c["id"], c["verdict"]) for c in gap["clauses"]] == [
        ("T-1.a", "not asked"),
        ("T-1.b", "closed"),
        ("T-1.c", "open"),
    ]
    assert gap["clauses"][2]["evidence"][0]["finding"]["observed"] == "2 bookings"
    assert data["receipts"][1]["bit"] is False
    scenarios = {"T-1.b": ["one.py::test_it"]}
    assert data["shard"] == {"of": 3, "present": [1, 3], "missing": [2], "scenarios": scenarios}


def test_a_shard_of_an_older_release_is_read():
    data = full().as_dict()
    del data["shard"]["scenarios"]
    shard = scorecard_of(data).run.shard
    assert shard is not None
    assert shard.missing == (2,)


def test_the_document_is_explained():
    """docs/scorecard.md names every field of the document and of a gap, a clause and evidence."""
    text = (Path(__file__).parents[2] / "docs/scorecard.md").read_text()
    fields = set(schema()["properties"])
    for part in ("canary", "gap", "clause", "evidence", "finding", "scenario", "receipt", "load"):
        fields |= set(schema()["$defs"][part]["properties"])
    assert not [field for field in fields if f"`{field}`" not in text]


def damaged(**changes: Any) -> str:
    return json.dumps({**full().as_dict(), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no JSON"),
        ('{"gaps": [', "found no JSON"),
        ("[]", "without a schema_version"),
        ('{"gaps": []}', "without a schema_version"),
        (damaged(schema_version=SCHEMA_VERSION + 1), "newer than 2, the one that is read here; upgrade"),
        (damaged(schema_version=SCHEMA_VERSION - 2), "older than 2, the one that is read here; run it again"),
        (damaged(gaps=None), r"damaged scorecard: \$.gaps"),
        (damaged(started_at="yesterday"), r"damaged scorecard: \$.started_at"),
        (damaged(surprise=1), "'surprise' was unexpected"),
    ],
)
def test_what_is_no_scorecard_is_refused_with_the_reason(text: str, message: str):
    with pytest.raises(BadScorecard, match=message) as raised:
        parse_scorecard(text, "reports/out/3f9c/scorecard.json")
    assert str(raised.value).startswith("reports/out/3f9c/scorecard.json: ")
    assert raised.value.exit_code is ExitCode.USAGE


def test_a_verdict_that_is_none_is_refused():
    data = full().as_dict()
    data["gaps"][0]["clauses"][0]["verdict"] = "fine"
    with pytest.raises(BadScorecard, match=r"\$.gaps\[0\].clauses\[0\].verdict"):
        scorecard_of(data)
