"""How many of how many replays end as recorded: the same verdict, the same finding, the same trace.

    python -m tests.benchmarks.replaying [--times N] [--containers N] [--only TEXT] [--folder DIR]

Bundles of each kind are made first (or found in DIR, where they were left before), then each is replayed:
most of the times on one stack, every tenth on a new stack in a process that has run others before, every
tenth in a new process; with --containers besides on the other kind of stack. The bar is all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from harness.bookkeeping.fitting import fits_of
from harness.cli.entry import perform
from harness.config import Settings
from harness.errors import HarnessError
from harness.explore.bundle import Bundle, Expected, Made, Recording
from harness.explore.fault_points import FaultPlan
from harness.explore.sweep_matrix import Outcome, Sweep
from harness.explore.sweep_plans import Quotas
from harness.explore.sweeps import strike, sweep
from harness.explore.telling import RECORDING, recorded_faults
from harness.journeys.personas import People
from harness.journeys.swept import JOURNEYS
from harness.stacks.embedded import EmbeddedStack
from harness.targets.descriptor import load
from harness.targets.loading import bind
from harness.wire.boundary import FaultKind

_ROOT = Path(__file__).parents[2]
_DESCRIPTOR = _ROOT / "reference_system" / "target" / "system.toml"
_SWEEPING = (
    "scenarios/revenue/test_sys_01_fault_points.py"
    "::test_a_checkout_survives_a_fault_at_each_of_its_boundaries"
)
# Of ten replays one is on a new stack, and one in a new process.
_SHARE = 10
_CALLED = "import sys; from harness.cli.entry import perform; sys.exit(perform(sys.argv[1:]))"


@dataclass(frozen=True)
class Raced:
    """A clause that is opened by an order on a mutant: the bundle of its n-th finding, from 1."""

    clause: str
    mutant: str
    nth: int = 1
    seed: int = 11

    @property
    def name(self) -> str:
        return f"{self.mutant} {self.clause}{f' ({self.nth})' if self.nth > 1 else ''}"

    def make(self, folder: Path) -> Path:
        """Explore until it is found."""
        made = folder / f"{self.mutant}-{self.clause}"
        command = ["race", self.clause, "--mutant", self.mutant, "--seed", str(self.seed)]
        if not made.exists():
            _in_new_process(command, reports=made, wanted=1)
        end = f"-{self.nth}" if self.nth > 1 else ""
        (found,) = made.glob(f"*/{self.clause}{end}.json")
        return found


@dataclass(frozen=True)
class Struck:
    """A clause that is opened by a fault, or by one upon another, on a mutant.

    Args:
        aspect: of the journey, which stands for the clause.
        kind: of the first fault.
        twice: it is shown by a second fault, while the journey recovers.
    """

    clause: str
    mutant: str
    aspect: str
    kind: FaultKind
    twice: bool = False
    journey: str = "checkout"
    seed: int = 11

    @property
    def name(self) -> str:
        return f"{self.mutant} {self.clause} {self.kind.value}{' and another' if self.twice else ''}"

    def make(self, folder: Path) -> Path:
        """Strike until it is found, and keep that."""
        made = folder / f"{self.name.replace(' ', '-')}.json"
        if not made.exists():
            made.write_text(asyncio.run(self._found()).dumped())
        return made

    async def _found(self) -> Bundle:
        settings = Settings.load({"stack": {"kind": "embedded"}}, start=_ROOT)
        descriptor = load(_DESCRIPTOR)
        async with EmbeddedStack(descriptor, settings.stack, mutant=self.mutant) as stack:
            system = await bind(stack, descriptor, seed=self.seed, people=People(self.seed))
            journey = partial(JOURNEYS[self.journey], system)
            again = partial(strike, stack, rng=random.Random(self.seed), patience=True)
            try:
                if self.twice:
                    quotas = Quotas(plain=30, stalls=0, kills=0, upon_faults=20)
                    swept = await sweep(
                        stack, journey(), rng=random.Random(self.seed), kinds=[self.kind], quotas=quotas
                    )
                    for plan in self._violating_twice(swept):
                        found = await again(journey(), lambda _, plan=plan: plan)
                        if self._shows(found):
                            return self._bundle(found, settings, len(stack.replicas))
                for back in range(12):
                    found = await again(journey(), partial(self._commit, back))
                    if self._shows(found):
                        return self._bundle(found, settings, len(stack.replicas))
            finally:
                await system.close()
        raise HarnessError(f"{self.name}: no fault plan shows it")

    def _violating_twice(self, swept: Sweep) -> list[FaultPlan]:
        wrong = [cell for cell in swept.second_order if cell.outcome is Outcome.VIOLATED]
        return [cell.plan for cell in wrong if self.aspect in cell.aspects]

    def _commit(self, back: int, possible: Sequence[FaultPlan]) -> FaultPlan:
        """The commits from the last to the first: what follows one is what a fault there leaves undone."""
        commits = [one for one in possible if one.point.verb == "COMMIT" and one.kind is self.kind]
        return commits[-1 - back]

    def _shows(self, found: Sweep) -> bool:
        return self.aspect in found.found and found.found[self.aspect][0] is not None

    def _bundle(self, found: Sweep, settings: Settings, replicas: int) -> Bundle:
        _, gap = found.found[self.aspect]
        return Bundle(
            clause=self.clause,
            scenario=_SWEEPING,
            command="",
            made=Made(
                run="benchmark",
                at=datetime.now(UTC),
                seed=self.seed,
                scenario_seed=self.seed,
                profile=settings.profile,
                mutant=self.mutant,
                stack="embedded",
                replicas=replicas,
            ),
            fits=fits_of(
                _SWEEPING,
                self.clause,
                self.mutant,
                root=_ROOT,
                catalog=settings.catalog(),
                descriptor=load(_DESCRIPTOR),
            ),
            expected=Expected(what=gap.what),
            recording=Recording.model_validate(recorded_faults(found, self.aspect)[RECORDING]),
        )


FINDINGS: Sequence[Raced | Struck] = (
    Raced("SYS-03.a", "SYS-03.1"),
    Raced("SYS-03.a", "SYS-03.1", nth=2),
    Raced("SYS-03.a", "SYS-03.4"),
    Raced("SYS-28.c", "SYS-28.1"),
    Raced("SYS-28.c", "SYS-28.5"),
    Raced("SYS-04.f", "SYS-04.3"),
    Struck("SYS-01.a", "SYS-01.1", "money", FaultKind.ERROR),
    Struck("SYS-01.a", "SYS-01.2", "money", FaultKind.KILL_AFTER),
    Struck("SYS-01.a", "SYS-01.1", "money", FaultKind.ERROR, twice=True),
)


@dataclass
class Tally:
    """How many replays of a bundle there were, in which way, and how many were as recorded."""

    replays: Counter[str] = field(default_factory=Counter)
    as_recorded: Counter[str] = field(default_factory=Counter)
    otherwise: Counter[str] = field(default_factory=Counter)

    def add(self, way: str, told: Mapping[str, Any], wanted: int) -> None:
        """Take in what one call told; replays that it does not tell of are not as recorded."""
        self.replays[way] += wanted
        self.as_recorded[way] += told.get("as_recorded", 0)
        for each in told.get("each", ()):
            if said := each["trace"] or each["message"] or each["reason"] * (each["verdict"] != "open"):
                self.otherwise[f"{way}: {each['verdict']}: {said}"] += 1
        if missing := wanted - told.get("replays", 0):
            self.otherwise[f"{way}: nothing came of it"] += missing

    @property
    def whole(self) -> bool:
        return self.replays == self.as_recorded

    def __str__(self) -> str:
        ways = ", ".join(f"{way} {self.as_recorded[way]}/{n}" for way, n in self.replays.items())
        return f"{self.as_recorded.total()}/{self.replays.total()}  {ways}"


def replayed(bundle: Path, times: int, containers: int) -> Tally:
    """Replay a bundle in every way."""
    tally = Tally()
    few = times // _SHARE
    on_one = times - 2 * few
    tally.add("one stack", _in_new_process(["replay", str(bundle), "--times", str(on_one), "--json"]), on_one)
    for _ in range(few):
        tally.add("a new stack", _in_this_process(["replay", str(bundle), "--json"]), 1)
        tally.add("a new process", _in_new_process(["replay", str(bundle), "--json"]), 1)
    if containers:
        images = ["--stack", "containers", "--config", str(_ROOT / "ci" / "images.toml")]
        command = ["replay", str(bundle), "--times", str(containers), "--json", *images]
        tally.add("containers", _in_new_process(command), containers)
    return tally


def _in_this_process(arguments: Sequence[str]) -> Mapping[str, Any]:
    out = io.StringIO()
    with redirect_stdout(out):
        perform(arguments)
    return _told(out.getvalue())


def _in_new_process(
    arguments: Sequence[str], *, reports: Path | None = None, wanted: int | None = None
) -> Mapping[str, Any]:
    environment = {**os.environ, **({"OVERBOOKED_REPORTS": str(reports)} if reports else {})}
    done = subprocess.run(
        [sys.executable, "-c", _CALLED, *arguments],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if wanted is not None and done.returncode != wanted:
        raise HarnessError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-800:]}")
    told = _told(done.stdout)
    if not told and wanted is None:
        sys.stderr.write(done.stderr[-800:])
    return told


def _told(out: str) -> Mapping[str, Any]:
    try:
        told: Mapping[str, Any] = json.loads(out)
    except ValueError:
        return {}
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--containers", type=int, default=0, help="so many besides on containers")
    parser.add_argument("--only", default="", help="only findings whose name contains this")
    parser.add_argument("--folder", type=Path, help="keep the bundles here")
    chosen = parser.parse_args()
    all_whole = True
    with tempfile.TemporaryDirectory(prefix="overbooked-replaying-") as temporary:
        folder: Path = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for finding in (one for one in FINDINGS if chosen.only in one.name):
            tally = replayed(finding.make(folder), chosen.times, chosen.containers)
            all_whole = all_whole and tally.whole
            sys.stdout.write(f"{finding.name:34} {tally}\n")
            for said, n in tally.otherwise.items():
                sys.stdout.write(f"    {n} times  {said}\n")
            sys.stdout.flush()
    return int(not all_whole)


if __name__ == "__main__":
    sys.exit(main())
