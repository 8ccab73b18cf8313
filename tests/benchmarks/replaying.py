"""Measures the share of replays that end as recorded: same verdict, same finding, same trace.

    python -m tests.benchmarks.replaying [--times N] [--containers N] [--only TEXT] [--folder DIR]

Bundles of each kind are made first (or read from DIR, if made before), then each is replayed: usually on one
stack, every twentieth time on a new stack in a process that has run others before, every twentieth time in
a new process; with --containers also on a containers stack. All replays must end as recorded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from overbooked.bundles.fingerprints import fingerprints_of
from overbooked.bundles.schema import Bundle, ExpectedFinding, Origin
from overbooked.config import Settings
from overbooked.descriptor import load
from overbooked.errors import HarnessError
from overbooked.fault_points.evidence import record
from overbooked.fault_points.plans import Quotas
from overbooked.fault_points.points import FaultPlan
from overbooked.fault_points.results import SweepOutcome, SweepResult
from overbooked.fault_points.sweep import inject_one, sweep
from overbooked.journeys.identities import People
from overbooked.runs.swept_journeys import swept_journeys
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.system.loading import bind
from overbooked.wire.gate.boundary import FaultKind

_ROOT = Path(__file__).parents[2]
_DESCRIPTOR = _ROOT / "reference_system" / "target" / "system.toml"
_SWEEPING = (
    "scenarios/revenue/sys_01/test_fault_points.py"
    "::test_a_checkout_survives_a_fault_at_each_of_its_boundaries"
)
_JOURNEYS = swept_journeys([_ROOT / "scenarios"], _ROOT)
# One replay of this many is on a new stack, and one in a new process.
_SHARE = 20
# Calls the command line so many times in one process; it ends with the last call's exit code.
_CALLED = """
import sys
from overbooked.cli.entry import perform
for _ in range(int(sys.argv[1])):
    code = perform(sys.argv[2:])
sys.exit(code)
"""


def _that(plan: FaultPlan, _possible: Sequence[FaultPlan]) -> FaultPlan:
    """Return the plan, whatever else is possible."""
    return plan


@dataclass(frozen=True)
class Raced:
    """A clause that an order of statements opens on a mutant: the bundle of its n-th finding, from 1."""

    clause: str
    mutant: str
    nth: int = 1
    seed: int = 11

    @property
    def name(self) -> str:
        return f"{self.mutant} {self.clause}{f' ({self.nth})' if self.nth > 1 else ''}"

    def make(self, folder: Path) -> Path:
        """Explore until the finding is made; return its bundle."""
        made = folder / f"{self.mutant}-{self.clause}"
        command = ["race", self.clause, "--mutant", self.mutant, "--seed", str(self.seed)]
        if not made.exists():
            _called(command, reports=made, code=1)
        end = f"-{self.nth}" if self.nth > 1 else ""
        (found,) = made.glob(f"*/{self.clause}{end}.json")
        return found


@dataclass(frozen=True)
class Struck:
    """A clause that a fault, or a double fault, opens on a mutant.

    Args:
        aspect: the journey's aspect for the clause.
        kind: the kind of the first fault.
        twice: a second fault during recovery is needed.
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
        """Inject faults until the finding is made; return its bundle."""
        made = folder / f"{self.name.replace(' ', '-')}.json"
        if not made.exists():
            made.write_text(asyncio.run(self._found()).dumped())
        return made

    async def _found(self) -> Bundle:
        settings = Settings.load({"stack": {"kind": "embedded"}}, start=_ROOT)
        descriptor = load(_DESCRIPTOR)
        async with EmbeddedStack(descriptor, settings.stack, mutant=self.mutant) as stack:
            system = await bind(stack, descriptor, seed=self.seed, identities=People(self.seed))
            journey = partial(_JOURNEYS[self.journey].load(), system)
            again = partial(inject_one, stack, rng=random.Random(self.seed), patience=True)
            try:
                if self.twice:
                    quotas = Quotas(plain=30, stalls=0, kills=0, upon_faults=20)
                    swept = await sweep(
                        stack, journey(), rng=random.Random(self.seed), kinds=[self.kind], quotas=quotas
                    )
                    for plan in self._violating_twice(swept):
                        found = await again(journey(), partial(_that, plan))
                        if self._shows(found):
                            return self._bundle(found, settings, len(stack.replicas))
                for turn in count():
                    found = await again(journey(), partial(self._telling, turn))
                    if self._shows(found):
                        return self._bundle(found, settings, len(stack.replicas))
            finally:
                await system.close()
        raise AssertionError("counting never ends")

    def _violating_twice(self, swept: SweepResult) -> list[FaultPlan]:
        wrong = [cell for cell in swept.second_order if cell.outcome is SweepOutcome.VIOLATED]
        return [cell.plan for cell in wrong if self.aspect in cell.aspects]

    def _telling(self, turn: int, possible: Sequence[FaultPlan]) -> FaultPlan:
        """Return the plan to try next: commits from the last to the first, then calls to the provider.
        A fault prevents the steps after its point."""
        here = [one for one in reversed(possible) if one.kind is self.kind]
        telling = [one for one in here if one.point.verb == "COMMIT"]
        telling += [one for one in here if one.point.link == "app->payments"]
        if turn >= len(telling):
            raise HarnessError(f"{self.name}: none of {len(telling)} fault plans shows it")
        return telling[turn]

    def _shows(self, found: SweepResult) -> bool:
        return self.aspect in found.found and found.found[self.aspect][0] is not None

    def _bundle(self, found: SweepResult, settings: Settings, replicas: int) -> Bundle:
        _, gap = found.found[self.aspect]
        recorded = record(found, self.aspect)
        assert recorded is not None
        return Bundle(
            clause=self.clause,
            scenario=_SWEEPING,
            command="",
            made=Origin(
                run="benchmark",
                at=datetime.now(UTC),
                seed=self.seed,
                scenario_seed=self.seed,
                profile=settings.profile,
                mutant=self.mutant,
                stack="embedded",
                replicas=replicas,
            ),
            fits=fingerprints_of(
                _SWEEPING,
                self.clause,
                self.mutant,
                root=_ROOT,
                catalog=settings.catalog(),
                descriptor=load(_DESCRIPTOR),
            ),
            expected=ExpectedFinding(what=gap.what),
            recording=recorded.recording,
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
    Struck("SYS-01.b", "SYS-01.5", "books", FaultKind.RESET_BEFORE),
    Struck("SYS-01.c", "SYS-01.6", "holds", FaultKind.ANSWER_LOST),
    Struck("SYS-01.b", "SYS-01.5", "books", FaultKind.STALL),
    Struck("SYS-01.b", "SYS-01.5", "books", FaultKind.KILL_BEFORE),
)


@dataclass
class Tally:
    """The number of replays of a bundle by way, and how many ended as recorded.

    A call without a result, because its system did not start, is not a replay but also a failure.
    """

    replays: Counter[str] = field(default_factory=Counter)
    as_recorded: Counter[str] = field(default_factory=Counter)
    otherwise: Counter[str] = field(default_factory=Counter)

    def add(self, way: str, told: Sequence[Mapping[str, Any]], wanted: int) -> None:
        """Add the results of calls."""
        ran = sum(call["replays"] for call in told)
        self.replays[way] += ran
        self.as_recorded[way] += sum(call["as_recorded"] for call in told)
        for each in (each for call in told for each in call["each"]):
            reason = "" if each["verdict"] == "open" else each["reason"] or each["verdict"]
            if said := "; ".join(one for one in (reason, each["trace"], each["message"]) if one):
                self.otherwise[f"{way}: {said}"] += 1
        if wanted > ran:
            self.otherwise[f"{way}: not run"] += wanted - ran

    @property
    def whole(self) -> bool:
        return not self.otherwise

    def __str__(self) -> str:
        ways = ", ".join(f"{way} {self.as_recorded[way]}/{n}" for way, n in self.replays.items())
        return f"{self.as_recorded.total()}/{self.replays.total()}  {ways}"


def replayed(bundle: Path, times: int, containers: int) -> Tally:
    """Replay a bundle in every way and return the tally."""
    tally = Tally()
    few = times // _SHARE
    on_one = times - 2 * few
    replay = ["replay", str(bundle), "--json"]
    tally.add("one stack", _called([*replay, "--times", str(on_one)]), on_one)
    tally.add("new stacks", _called(replay, calls=few), few)
    for _ in range(few):
        tally.add("new processes", _called(replay), 1)
    if containers:
        images = ["--stack", "containers", "--config", str(_ROOT / "ci" / "images.toml")]
        tally.add("containers", _called([*replay, "--times", str(containers), *images]), containers)
    return tally


def _called(
    arguments: Sequence[str], *, calls: int = 1, reports: Path | None = None, code: int | None = None
) -> list[Mapping[str, Any]]:
    """Call the command line in a separate process; returns the JSON of each call.

    Raises:
        HarnessError: the exit code is not the expected one.
    """
    done = subprocess.run(
        [sys.executable, "-c", _CALLED, str(calls), *arguments],
        cwd=_ROOT,
        env={**os.environ, **({"OVERBOOKED_REPORTS": str(reports)} if reports else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if code is not None and done.returncode != code:
        raise HarnessError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-800:]}")
    told: list[Mapping[str, Any]] = []
    out, at = done.stdout, 0
    while out[at:].strip():
        each, at = json.JSONDecoder().raw_decode(out, len(out) - len(out[at:].lstrip()))
        told.append(each)
    if code is None and len(told) < calls:
        sys.stderr.write(done.stderr[-800:])
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
