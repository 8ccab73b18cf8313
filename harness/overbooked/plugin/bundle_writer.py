"""Writes the recordings in a trial's findings as replay bundles to the run's folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from overbooked import __version__
from overbooked.bundles.files import prune, replay_command, with_config, write_bundle
from overbooked.bundles.fingerprints import fingerprints_of
from overbooked.bundles.reader import read_bundle
from overbooked.bundles.schema import Bundle, ExpectedFinding, Origin
from overbooked.bursts.burst_races import IN_SCHEDULE
from overbooked.catalog import Catalog
from overbooked.config import Settings
from overbooked.descriptor import Descriptor
from overbooked.errors import GapFound, HarnessError
from overbooked.recording import Recording
from overbooked.runs.plan import CANARY, Plan
from overbooked.runs.result import TrialResult
from overbooked.traces.redaction import Redactor
from overbooked.verdicts.evidence import ClauseResult, Finding

# Keys of a finding's details: REPLAY, the command that replays it; NO_BUNDLE, why there is none.
REPLAY = "replay"
# Key of a finding's details: the command that repeats a sweep.
AGAIN = "again"
NO_BUNDLE = "no bundle"


@dataclass(frozen=True, slots=True)
class BundleWriter:
    """Writes the bundles of one run.

    Args:
        plan: the plan of the run; a run without a folder keeps no bundles.
        settings: the settings of the run.
        catalog: the catalog of the run.

        descriptor: reads the system's descriptor when a bundle is written.
    """

    plan: Plan
    settings: Settings
    catalog: Catalog
    descriptor: Callable[[], Descriptor]

    def with_bundles(self, result: TrialResult, scenario_seed: int) -> TrialResult:
        """Write a bundle for each finding with a recording; return the result with replay commands.

        A bundle that cannot be written changes no verdict; the finding states the reason.
        """
        if any(each.finding and AGAIN in each.finding.details for each in result.results):
            complete = tuple(self._with_whole_command(each, result) for each in result.results)
            result = replace(result, results=complete)
        if not any(each.finding and each.finding.recording for each in result.results):
            return result
        return replace(
            result, results=tuple(self._of(each, result, scenario_seed) for each in result.results)
        )

    def _with_whole_command(self, ruled: ClauseResult, result: TrialResult) -> ClauseResult:
        """Complete the command in a finding with the options that select its system."""
        finding = ruled.finding
        if finding is None or AGAIN not in finding.details:
            return ruled
        mutant = self.plan.variant(result.trial.variant).mutant
        kind = result.stack.get("kind")
        options = [
            *(["--stack", str(kind)] if kind else []),
            *(["--mutant", mutant] if mutant else []),
            *with_config(self.plan.config, self.plan.start),
        ]
        whole = f"{finding.details[AGAIN]} {shlex.join(options)}".rstrip()
        return replace(ruled, finding=replace(finding, details={**finding.details, AGAIN: whole}))

    def _of(self, ruled: ClauseResult, result: TrialResult, seed: int) -> ClauseResult:
        finding = ruled.finding
        if finding is None or finding.recording is None:
            return ruled
        written: Mapping[str, Any] = {}
        if self._keeps and result.trial.variant != CANARY:
            written = self._written(ruled, finding, finding.recording, result, seed)
        finding = replace(finding, details={**finding.details, **written}, recording=None)
        return replace(ruled, finding=finding)

    @property
    def _keeps(self) -> bool:
        orders = self.plan.orders
        return self.plan.directory is not None and (orders is None or orders.bundles)

    def _written(
        self,
        ruled: ClauseResult,
        finding: Finding,
        recording: Recording,
        result: TrialResult,
        seed: int,
    ) -> Mapping[str, Any]:
        variant = self.plan.variant(result.trial.variant)
        own = variant == self.plan.variants[0]
        name = ruled.clause if own else f"{ruled.clause}-on-{variant.name}"
        # A proof finds the same expected gap repeatedly; one bundle is enough.
        before = None if own else self._earlier(name, result)
        if before is not None:
            return {REPLAY: replay_command(before, self.plan.start, self.plan.config)}
        return write_or_explain(
            lambda: self._bundle(ruled, finding, recording, result, seed),
            self.plan.folder,
            name,
            settings=self.settings,
            start=self.plan.start,
            config=self.plan.config,
        )

    def _earlier(self, name: str, result: TrialResult) -> Path | None:
        """Return the bundle of an earlier repetition of a trial, if any."""
        if not result.trial.repetition:
            return None
        folder = self.plan.folder
        kept = [path for end in ("", "-*") for path in sorted(folder.glob(f"{name}{end}.json"))]
        with suppress(HarnessError):
            return next((path for path in kept if read_bundle(path).scenario == result.scenario), None)
        return None

    def _bundle(
        self,
        ruled: ClauseResult,
        finding: Finding,
        recording: Recording,
        result: TrialResult,
        seed: int,
    ) -> Bundle:
        mutant = self.plan.variant(result.trial.variant).mutant
        stack = result.stack
        return Bundle(
            clause=ruled.clause,
            scenario=result.scenario,
            command="",
            made=Origin(
                run=self.plan.run,
                at=datetime.now(UTC),
                seed=self.plan.seed,
                scenario_seed=seed,
                profile=self.settings.profile,
                mutant=mutant,
                stack=str(stack.get("kind", "")),
                replicas=int(stack.get("replicas", 0)),
                versions={"Overbooked": __version__, **stack.get("versions", {})},
            ),
            fits=fingerprints_of(
                result.scenario,
                ruled.clause,
                mutant,
                root=self.plan.root,
                catalog=self.catalog,
                descriptor=self.descriptor(),
            ),
            expected=expected_of(_in_schedule(finding), self.settings),
            recording=recording,
        )


def write_or_explain(
    make: Callable[[], Bundle],
    folder: Path,
    name: str,
    *,
    settings: Settings,
    start: Path,
    config: Path | None = None,
) -> Mapping[str, str]:
    """Write a bundle; return the command that replays it under `REPLAY`, or the reason under `NO_BUNDLE`.

    A finding is kept even if its bundle cannot be written.

    Args:
        folder: the folder of the run.
        name: the name of the file, without suffix.
        start: the path in the command is relative to this folder if possible.
        config: the settings file of the run.
    """
    try:
        path = write_bundle(
            make(), folder, name, size_bytes=settings.bundles.size_kib * 1024, shown=start, config=config
        )
    except (HarnessError, OSError, ValueError) as error:
        return {NO_BUNDLE: str(error)}
    prune(settings.reports, settings.bundles.keep)
    return {REPLAY: replay_command(path, start, config)}


def _in_schedule(finding: Finding) -> Finding:
    """Return the finding of the recorded schedule if it differs, else the finding itself."""
    shown = finding.details.get(IN_SCHEDULE)
    if not shown:
        return finding
    return replace(finding, **{**shown, "operations": tuple(shown["operations"])})


def expected_of(found: Finding | GapFound, settings: Settings) -> ExpectedFinding:
    """Return the finding that a replay must reproduce, redacted."""
    redactor = Redactor(settings.bundles.redact)
    return ExpectedFinding(
        what=redactor.text(found.what),
        expected=redactor.text(found.expected),
        observed=redactor.text(found.observed),
        operations=redactor.lines(found.operations),
    )
