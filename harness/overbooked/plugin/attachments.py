"""Writes texts that are too long for a scorecard to a file per result in the run's folder."""

from __future__ import annotations

import re
from dataclasses import replace

from overbooked.atomic_write import CannotWrite, write_whole
from overbooked.runs.plan import CANARY, Plan
from overbooked.runs.result import TrialResult
from overbooked.verdicts.evidence import ClauseResult
from overbooked.verdicts.shortening import shortened_result, whole_text

FOLDER = "attachments"
# Key of the file's path, relative to the run's folder, in a finding's details or else in the notes.
ATTACHMENT = "attachment"


def bounded_result(result: TrialResult, plan: Plan) -> TrialResult:
    """Return the result with bounded texts; the complete texts are attached if the run has a folder."""
    return replace(result, results=tuple(_bounded(each, result, plan) for each in result.results))


def _bounded(ruled: ClauseResult, result: TrialResult, plan: Plan) -> ClauseResult:
    short = shortened_result(ruled)
    if short is ruled or plan.directory is None or result.trial.variant == CANARY:
        return short
    scenario = re.sub(r"\W+", "-", result.scenario.rpartition("::")[2]).strip("-")
    name = f"{FOLDER}/{ruled.clause}-{result.trial.id}-{scenario}.txt"
    try:
        write_whole(plan.directory / name, whole_text(ruled))
    except CannotWrite as error:
        name = str(error)
    if short.finding is None:
        return replace(short, notes={**short.notes, ATTACHMENT: name})
    details = {**short.finding.details, ATTACHMENT: name}
    return replace(short, finding=replace(short.finding, details=details))
