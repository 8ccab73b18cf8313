"""Turns recordings in a trial's findings into replay bundles in the run's folder."""

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
from overbooked.bundles.fingerprints import fits_of
from overbooked.bundles.reader import read_bundle
from overbooked.bundles.schema import Bundle, Expected, Made, Recording
from overbooked.bursts.burst_races import IN_SCHEDULE
from overbooked.catalog import Catalog
from overbooked.config import Settings
from overbooked.descriptor import Descriptor
from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.evidence import RECORDING
from overbooked.runs.plan import CANARY, Plan
from overbooked.runs.result import TrialResult
from overbooked.traces.redaction import Redactor
from overbooked.verdicts.evidence import ClauseResult, Finding

# Keys of a finding's details, for reports: the command that replays it, and why there is none.
REPLAY = "replay"
# Key of a finding's details: the command that does a sweep again.
AGAIN = "again"
NO_BUNDLE = "no bundle"


@dataclass(frozen=True, slots=True)
class Bundling:
    """Writes the bundles of one run.

    Args:
        plan: of the run; one without a folder keeps none.
        settings: of the run.
        catalog: of the run.
        descriptor: reads that of the system, when there is a bundle to be written.
    """

    plan: Plan
    settings: Settings
    catalog: Catalog
    descriptor: Callable[[], Descriptor]

    def kept(self, result: TrialResult, scenario_seed: int) -> TrialResult:
        """The result with a bundle written for each finding that has a recording, and named there.

        A bundle that cannot be written changes no verdict; the finding says why there is none.
        """
        if any(each.finding and AGAIN in each.finding.details for each in result.results):
            complete = tuple(self._with_whole_command(each, result) for each in result.results)
            result = replace(result, results=complete)
        if not any(each.finding and RECORDING in each.finding.details for each in result.results):
            return result
        return replace(
            result, results=tuple(self._of(each, result, scenario_seed) for each in result.results)
        )

    def _with_whole_command(self, ruled: ClauseResult, result: TrialResult) -> ClauseResult:
        """A command in a finding names the system it was found on."""
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
        if finding is None or RECORDING not in finding.details:
            return ruled
        details = {name: value for name, value in finding.details.items() if name != RECORDING}
        if self._keeps and result.trial.variant != CANARY:
            details.update(self._written(ruled, finding, result, seed))
        return replace(ruled, finding=replace(finding, details=details))

    @property
    def _keeps(self) -> bool:
        orders = self.plan.orders
        return self.plan.directory is not None and (orders is None or orders.bundles)

    def _written(
        self, ruled: ClauseResult, finding: Finding, result: TrialResult, seed: int
    ) -> Mapping[str, Any]:
        variant = self.plan.variant(result.trial.variant)
        own = variant == self.plan.variants[0]
        name = ruled.clause if own else f"{ruled.clause}-on-{variant.name}"
        # A proof meets what it expects again and again: once is enough to look at it.
        before = None if own else self._earlier(name, result)
        if before is not None:
            return {REPLAY: replay_command(before, self.plan.start, self.plan.config)}
        return written(
            lambda: self._bundle(ruled, finding, result, seed),
            self.plan.folder,
            name,
            settings=self.settings,
            start=self.plan.start,
            config=self.plan.config,
        )

    def _earlier(self, name: str, result: TrialResult) -> Path | None:
        """The bundle that an earlier repetition of a trial has left."""
        if not result.trial.repetition:
            return None
        folder = self.plan.folder
        kept = [path for end in ("", "-*") for path in sorted(folder.glob(f"{name}{end}.json"))]
        with suppress(HarnessError):
            return next((path for path in kept if read_bundle(path).scenario == result.scenario), None)
        return None

    def _bundle(self, ruled: ClauseResult, finding: Finding, result: TrialResult, seed: int) -> Bundle:
        mutant = self.plan.variant(result.trial.variant).mutant
        stack = result.stack
        return Bundle(
            clause=ruled.clause,
            scenario=result.scenario,
            command="",
            made=Made(
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
            fits=fits_of(
                result.scenario,
                ruled.clause,
                mutant,
                root=self.plan.root,
                catalog=self.catalog,
                descriptor=self.descriptor(),
            ),
            expected=expected_of(_in_schedule(finding), self.settings),
            recording=Recording.model_validate(finding.details[RECORDING]),
        )


def written(
    make: Callable[[], Bundle],
    folder: Path,
    name: str,
    *,
    settings: Settings,
    start: Path,
    config: Path | None = None,
) -> Mapping[str, str]:
    """Make a bundle and write it: the command that replays it under `REPLAY`, or under `NO_BUNDLE` why there
    is none. A bundle that cannot be had costs no finding.

    Args:
        folder: of the run.
        name: of the file, without its end.
        start: the path in the command is relative to this folder, where it can be.
        config: the settings file that the run was given.
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
    """What the recorded schedule shows, where that is not what found it."""
    shown = finding.details.get(IN_SCHEDULE)
    if not shown:
        return finding
    return replace(finding, **{**shown, "operations": tuple(shown["operations"])})


def expected_of(found: Finding | GapFound, settings: Settings) -> Expected:
    """What a replay is to come to, redacted."""
    redactor = Redactor(settings.bundles.redact)
    return Expected(
        what=redactor.text(found.what),
        expected=redactor.text(found.expected),
        observed=redactor.text(found.observed),
        operations=redactor.lines(found.operations),
    )
