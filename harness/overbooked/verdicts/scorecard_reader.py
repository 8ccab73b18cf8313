"""Reads a scorecard from JSON, and rejects other input with the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from overbooked.errors import UsageError
from overbooked.plain_text import cleaned
from overbooked.verdicts.evidence import Finding, Receipt
from overbooked.verdicts.scorecard import (
    NOT_ASKED,
    SCHEMA_VERSION,
    Canary,
    ClauseScore,
    Evidence,
    GapScore,
    LoadScore,
    Run,
    ScenarioScore,
    Scorecard,
    Shard,
)
from overbooked.verdicts.shortening import shortened
from overbooked.verdicts.verdict import Verdict


class BadScorecard(UsageError):
    """A file is not a scorecard, or its version is not supported."""


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON schema of a scorecard (draft 2020-12)."""
    text = resources.files("overbooked.verdicts").joinpath("scorecard.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def parse_scorecard(text: str, where: str) -> Scorecard:
    """Parse the scorecard of a JSON text.

    Args:
        text: a text written by `RunFolder.write`.
        where: names its origin in messages.

    Raises:
        BadScorecard: the text is not JSON, not a scorecard, of another version, or damaged.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadScorecard(f"{where}: wanted a scorecard, found no JSON: {error}; run it again") from error
    return scorecard_of(data, where)


def scorecard_of(data: Any, where: str = "scorecard") -> Scorecard:
    """Return the scorecard of a JSON document; raises BadScorecard as `parse_scorecard` does."""
    found = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(found, int):
        raise BadScorecard(f"{where}: wanted a scorecard, found JSON without a schema_version")
    if found == 1:
        # Version 1 has no options; everything else is the same.
        data, found = {**data, "schema_version": SCHEMA_VERSION, "options": []}, SCHEMA_VERSION
    if isinstance(shard := data.get("shard"), dict):
        # An older scorecard does not list the scenarios of other shards.
        data = {**data, "shard": {"scenarios": {}, **shard}}
    if found != SCHEMA_VERSION:
        age = "newer" if found > SCHEMA_VERSION else "older"
        remedy = "upgrade Overbooked" if found > SCHEMA_VERSION else "run it again"
        raise BadScorecard(
            f"{where}: a scorecard of schema version {found}, {age} than {SCHEMA_VERSION}, "
            f"the one that is read here; {remedy}"
        )
    wrong = best_match(_validator().iter_errors(data))
    if wrong is not None:
        raise BadScorecard(f"{where}: a damaged scorecard: {wrong.json_path}: {wrong.message[:200]}")
    return _scorecard(cleaned(data))


def _scorecard(data: Mapping[str, Any]) -> Scorecard:
    receipts: dict[tuple[str, int], list[Receipt]] = {}
    for row in data["receipts"]:
        fields = {key: value for key, value in row.items() if key not in ("scenario", "attempt")}
        receipts.setdefault((row["scenario"], row["attempt"]), []).append(Receipt.from_dict(fields))
    shard = data["shard"]
    return Scorecard(
        run=Run(
            id=data["run"],
            started_at=datetime.fromisoformat(data["started_at"]),
            seed=data["seed"],
            profile=data["profile"],
            stack=data["stack"],
            versions=data["versions"],
            mutant=data["mutant"],
            target=data["target"],
            workers=data["workers"],
            options=tuple(data["options"]),
            shard=_shard(shard) if shard else None,
        ),
        complete=data["complete"],
        ended_at=datetime.fromisoformat(data["ended_at"]),
        gaps=tuple(_gap(gap) for gap in data["gaps"]),
        scenarios=tuple(_scenario(row, receipts) for row in data["scenarios"]),
        canary=_canary(data["canary"]) if data["canary"] else None,
        narrowed=data["narrowed"],
        aborted=data["aborted"],
        errors=tuple(data["errors"]),
        load=tuple(_load(row) for row in data["load"]),
    )


def _shard(data: Mapping[str, Any]) -> Shard:
    scenarios = {clause: tuple(names) for clause, names in data["scenarios"].items()}
    return Shard(data["of"], tuple(data["present"]), scenarios)


def _canary(data: Mapping[str, Any]) -> Canary:
    return Canary(
        data["mutant"], Verdict(data["verdict"]), tuple(data["opened"]), data["reason"], data["duration_s"]
    )


def _gap(data: Mapping[str, Any]) -> GapScore:
    return GapScore(
        id=data["id"],
        title=data["title"],
        priority=data["priority"],
        theme=data["theme"],
        verdict=Verdict(data["verdict"]),
        clauses=tuple(_clause(clause) for clause in data["clauses"]),
        reason=data["reason"],
        impact=data["impact"],
    )


def _clause(data: Mapping[str, Any]) -> ClauseScore:
    verdict = None if data["verdict"] == NOT_ASKED else Verdict(data["verdict"])
    shown = tuple(_evidence(each) for each in data["evidence"])
    return ClauseScore(data["id"], verdict, tuple(data["by"]), data["text"], data["reason"], shown)


def _evidence(data: Mapping[str, Any]) -> Evidence:
    return Evidence(
        scenario=data["scenario"],
        verdict=Verdict(data["verdict"]),
        reason=data["reason"],
        counts=data["counts"],
        notes=data["notes"],
        injected=data["faults"]["injected"],
        bit=data["faults"]["bit"],
        finding=_finding(data["finding"]),
        duration_s=data["duration_s"],
    )


def _load(data: Mapping[str, Any]) -> LoadScore:
    return LoadScore(**{**data, "verdict": Verdict(data["verdict"]), "finding": _finding(data["finding"])})


def _finding(data: Mapping[str, Any] | None) -> Finding | None:
    return shortened(Finding.from_dict(data)) if data else None


def _scenario(data: Mapping[str, Any], receipts: Mapping[tuple[str, int], list[Receipt]]) -> ScenarioScore:
    started = data["started_at"]
    return ScenarioScore(
        id=data["id"],
        verdict=Verdict(data["verdict"]),
        started_at=datetime.fromisoformat(started) if started else None,
        duration_s=data["duration_s"],
        receipts=tuple(receipts.get((data["id"], data["attempt"]), ())),
        logs=data["logs"],
        trace=data["trace"],
        attempt=data["attempt"],
    )
