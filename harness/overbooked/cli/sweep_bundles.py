"""Writes the findings of a sweep by itself as replay bundles; those of scenarios are `bundling`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from overbooked import __version__
from overbooked.bundles.fingerprints import fits_of
from overbooked.bundles.schema import Bundle, Made, Recording
from overbooked.config import Settings
from overbooked.descriptor import Descriptor
from overbooked.errors import GapFound
from overbooked.fault_points.results import Sweep
from overbooked.interleavings.evidence import RECORDING, recorded_faults
from overbooked.plugin.bundle_writer import expected_of, written
from overbooked.stacks.base.protocol import Stack


@dataclass(frozen=True, slots=True)
class SweepBundling:
    """Writes the bundles of one `overbooked sweep`.

    Args:
        mutant: what the stack serves; None: the system as it is.
        seed: of the sweep.
        folder: of the run, whose name is the run's id.
        start: paths in commands are relative to this folder, where they can be.
        config: the settings file that the sweep was given.
    """

    settings: Settings
    descriptor: Descriptor
    mutant: str | None
    seed: int
    folder: Path
    start: Path
    config: Path | None = None

    def kept(self, swept: Sweep, stack: Stack) -> Mapping[str, Mapping[str, str]]:
        """For each finding `{"replay": COMMAND}`, or `{"no bundle": WHY}` where none could be written.

        Empty for what was found without any fault: there is nothing to carry out again.
        """
        return {aspect: self._written(swept, aspect, gap, stack) for aspect, (_, gap) in swept.found.items()}

    def _written(self, swept: Sweep, aspect: str, gap: GapFound, stack: Stack) -> Mapping[str, str]:
        recorded = recorded_faults(swept, aspect).get(RECORDING)
        if recorded is None:
            return {}
        return written(
            lambda: self._bundle(Recording.model_validate(recorded), gap, stack),
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
            made=Made(
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
            fits=fits_of(
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
