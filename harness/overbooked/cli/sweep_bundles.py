"""Writes the findings of `overbooked sweep` as replay bundles; `plugin.bundle_writer` writes a scenario's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from overbooked import __version__
from overbooked.bundles.fingerprints import fingerprints_of
from overbooked.bundles.schema import Bundle, Origin
from overbooked.config import Settings
from overbooked.descriptor import Descriptor
from overbooked.errors import GapFound
from overbooked.fault_points.evidence import record
from overbooked.fault_points.results import SweepResult
from overbooked.plugin.bundle_writer import expected_of, write_or_explain
from overbooked.recording import Recording
from overbooked.stacks.base.protocol import Stack


@dataclass(frozen=True, slots=True)
class SweepBundleWriter:
    """Writes the bundles of one `overbooked sweep`.

    Args:
        mutant: name of the mutant that the stack runs; None: none.
        seed: the seed of the sweep.
        folder: the folder of the run; its name is the run's id.
        start: paths in commands are relative to this folder if possible.
        config: the settings file of the sweep.
    """

    settings: Settings
    descriptor: Descriptor
    mutant: str | None
    seed: int
    folder: Path
    start: Path
    config: Path | None = None

    def kept(self, swept: SweepResult, stack: Stack) -> Mapping[str, Mapping[str, str]]:
        """Return for each finding `{"replay": COMMAND}`, or `{"no bundle": WHY}` if writing failed.

        Empty for a finding without a fault, because there is no fault plan to replay.
        """
        return {aspect: self._written(swept, aspect, gap, stack) for aspect, (_, gap) in swept.found.items()}

    def _written(self, swept: SweepResult, aspect: str, gap: GapFound, stack: Stack) -> Mapping[str, str]:
        recorded = record(swept, aspect)
        if recorded is None:
            return {}
        return write_or_explain(
            lambda: self._bundle(recorded.recording, gap, stack),
            self.folder,
            f"{swept.journey}.{aspect}",
            settings=self.settings,
            start=self.start,
            config=self.config,
        )

    def _bundle(self, recording: Recording, gap: GapFound, stack: Stack) -> Bundle:
        return Bundle(
            clause="",
            scenario="",
            command="",
            made=Origin(
                run=self.folder.name,
                at=datetime.now(UTC),
                seed=self.seed,
                scenario_seed=self.seed,
                profile=self.settings.profile,
                mutant=self.mutant,
                stack=stack.kind,
                replicas=len(stack.replicas),
                versions={"Overbooked": __version__, **stack.versions},
            ),
            fits=fingerprints_of(
                "",
                "",
                self.mutant,
                root=self.settings.root,
                catalog=self.settings.catalog(),
                descriptor=self.descriptor,
            ),
            expected=expected_of(gap, self.settings),
            recording=recording,
        )
