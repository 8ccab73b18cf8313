"""Limits the size of evidence in a scorecard; shortened texts state what is omitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from overbooked.plain_text import bounded
from overbooked.verdicts.evidence import ClauseResult, Finding

# In characters; an entry is one note or one detail, as JSON.
TEXT = 2_000
OPERATION = 400
OPERATIONS = 100
ENTRY = 16_000


def shortened(finding: Finding) -> Finding:
    """Return the finding with texts, operations and details of bounded size.

    The recording is not shortened, because bundles have a separate limit.
    """
    operations = [bounded(line, OPERATION) for line in finding.operations]
    if len(operations) > OPERATIONS:
        operations = [*operations[: OPERATIONS - 1], f"... {len(operations) - OPERATIONS + 1} more"]
    return Finding(
        bounded(finding.what, TEXT),
        bounded(finding.expected, TEXT),
        bounded(finding.observed, TEXT),
        tuple(operations),
        _entries(finding.details),
        finding.recording,
    )


def shortened_result(result: ClauseResult) -> ClauseResult:
    """Return the result with reason, notes and finding of bounded size; the same object if none is too
    long."""
    short = replace(
        result,
        reason=bounded(result.reason, TEXT),
        notes=_entries(result.notes),
        finding=shortened(result.finding) if result.finding else None,
    )
    return result if short == result else short


def whole_text(result: ClauseResult) -> str:
    """Return the complete text of a result, for an attachment."""
    parts = [f"{result.clause}, {result.scenario}: {result.verdict}", result.reason]
    if finding := result.finding:
        parts += [f"expected  {finding.expected}", f"observed  {finding.observed}", *finding.operations]
        parts.append(json.dumps(dict(finding.details), indent=1, default=str, ensure_ascii=False))
    parts.append(json.dumps(dict(result.notes), indent=1, default=str, ensure_ascii=False))
    return "\n".join(parts) + "\n"


def _entries(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _entry(value) for name, value in entries.items()}


def _entry(value: Any) -> Any:
    if isinstance(value, str):
        return bounded(value, ENTRY)
    text = json.dumps(value, default=str, ensure_ascii=False)
    return value if len(text) <= ENTRY else bounded(text, ENTRY)
