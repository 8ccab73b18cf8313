"""What is too long for a scorecard, kept whole in one file of the run's folder for each result."""

from __future__ import annotations

import re
from dataclasses import replace

from overbooked.atomic_write import CannotWrite, write_whole
from overbooked.interleavings.evidence import RECORDING
from overbooked.runs.plan import CANARY, Plan
from overbooked.runs.result import TrialResult
from overbooked.verdicts.evidence import ClauseResult
from overbooked.verdicts.shortening import shortened_result, whole_text

FOLDER = "attachments"
# Key of a finding's details, else of the notes: the file, relative to the run's folder.
ATTACHMENT = "attachment"
# A recording becomes a bundle, which has a limit of its own.
_SPARE = frozenset({RECORDING})


def bounded_result(result: TrialResult, plan: Plan) -> TrialResult:
    """The trial's result with bounded texts; what was cut is attached whole where the run keeps anything."""
    return replace(result, results=tuple(_bounded(each, result, plan) for each in result.results))


def _bounded(ruled: ClauseResult, result: TrialResult, plan: Plan) -> ClauseResult:
    short = shortened_result(ruled, _SPARE)
    if short is ruled or plan.directory is None or result.trial.variant == CANARY:
        return short
    scenario = re.sub(r"\W+", "-", result.scenario.rpartition("::")[2]).strip("-")
    name = f"{FOLDER}/{ruled.clause}-{result.trial.id}-{scenario}.txt"
    try:
        write_whole(plan.directory / name, whole_text(ruled, _SPARE))
    except CannotWrite as error:
        name = str(error)
    if short.finding is None:
        return replace(short, notes={**short.notes, ATTACHMENT: name})
    details = {**short.finding.details, ATTACHMENT: name}
    return replace(short, finding=replace(short.finding, details=details))
