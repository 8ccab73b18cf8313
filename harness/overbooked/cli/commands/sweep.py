"""`overbooked sweep`: inject every fault at every boundary of a journey, and show the matrix."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from overbooked.cli.context import command_context
from overbooked.cli.display import Display, open_display
from overbooked.cli.options import config_option, kind_option, mutant_option, resolve_settings, seed_option
from overbooked.cli.sweep_bundles import SweepBundleWriter
from overbooked.cli.terminal import run_async
from overbooked.errors import ExitCode, UsageError
from overbooked.fault_points.address import FaultAddress
from overbooked.fault_points.journey import Journey
from overbooked.fault_points.plans import Quotas
from overbooked.fault_points.points import EVERY_KIND, FaultPlan
from overbooked.fault_points.registry import MakeJourney
from overbooked.fault_points.results import SweepResult
from overbooked.fault_points.sweep import inject_one, sweep
from overbooked.fault_points.table import markdown, rows, second_summary, summary, why
from overbooked.journeys.identities import People
from overbooked.plugin.bundle_writer import NO_BUNDLE
from overbooked.reporting.run_folder import RunFolder
from overbooked.runs.swept_journeys import find_journeys, swept_journeys
from overbooked.stacks.base.part_failures import require_parts_alive
from overbooked.stacks.base.protocol import Stack
from overbooked.system.loading import bind
from overbooked.wire.gate.boundary import FaultKind


@click.command(
    epilog="Exit codes: 0 every fault was survived, 1 a violation was found or the service died on its "
    "own, 2 bad usage, 3 a fault took no effect or the harness failed, 130 interrupted. The matrix is "
    "stored as Markdown and JSON; each violated aspect leaves a bundle for `overbooked replay`."
)
@click.argument("name", metavar="JOURNEY|GAP")
@click.option(
    "--kinds", metavar="KIND,...", help=f"Only these kinds: {', '.join(kind.value for kind in FaultKind)}."
)
@click.option(
    "--sample", type=click.IntRange(1), help="At most this many of stalls, of kills and of other faults."
)
@click.option(
    "--only",
    metavar="POINT:KIND[,POINT:KIND]",
    help="One fault, by the number or the fingerprint of its point (62:kill-after), and a second one "
    "during the recovery from it.",
)
@click.option("--patient", is_flag=True, help="With --only: the client retries only after recovery.")
@click.option(
    "--twice", type=click.IntRange(0), default=0, help="The number of second-order faults, during recovery."
)
@mutant_option
@seed_option
@kind_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as JSON on stdout.")
def command(
    *,
    name: str,
    kinds: str | None,
    sample: int | None,
    only: str | None,
    patient: bool,
    twice: int,
    mutant: str | None,
    seed: int | None,
    kind: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Inject every kind of fault at every boundary of a journey, and judge the result each time.

    One clean run is recorded: every SQL statement, Redis command, provider call and webhook. Each then
    gets an error, reset, lost answer, stall, trickle and kill -9, one fault per run; the client retries,
    recovery and reconciliation finish, and money, books, holds and answers are judged.

    JOURNEY is registered by the scenario that sweeps it; a gap means its journeys.

    \b
    overbooked sweep checkout
    overbooked sweep SYS-01 --mutant SYS-01.5 --kinds error,answer-lost
    overbooked sweep checkout --sample 40 --twice 50 --json
    overbooked sweep checkout --only 62:kill-after --mutant SYS-01.2
    """
    said = resolve_settings(config, seed=seed, stack={"kind": kind})
    settings = said.settings
    wanted = kinds_of(kinds)
    found_journeys = find_journeys(name, swept_journeys(settings.scenarios, settings.root))
    plan = only_of(only)
    ground = command_context(settings, mutant)
    journeys = {one.name: one.load() for one in found_journeys}
    folder = RunFolder.create(settings.reports)
    quotas = Quotas(plain=sample, stalls=sample, kills=sample, upon_faults=twice)
    with open_display() as display:
        display.line(Text(f"{ground.why}   seed {ground.seed}", style="dim"))
        stack = ground.stack()
        sweeping = SweepRequest(wanted, quotas, plan, ground.seed, patient)
        bundling = SweepBundleWriter(
            settings, ground.descriptor, ground.mutant, ground.seed, folder.path, Path.cwd(), said.config
        )
        found = run_async(lambda: _sweep(stack, bundling, journeys, sweeping, folder, display))
        display.line(Text(f"{folder.path}/"))
    if as_json:
        document = {
            "run": folder.run,
            "seed": ground.seed,
            "mutant": ground.mutant,
            "sweeps": [document for _, document in found],
        }
        json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    return exit_code([swept for swept, _ in found])


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """The faults to inject into each journey; `only` restricts them to one fault, or to one and a second."""

    kinds: Sequence[FaultKind]
    quotas: Quotas
    only: Sequence[FaultAddress]
    seed: int
    patient: bool = False

    async def of(
        self, stack: Stack, journey: Journey, display: Display, begun: Callable[[SweepResult], None]
    ) -> SweepResult:
        """Sweep one journey; `begun` is called with the result, which is filled during the sweep."""

        def progress(done: int, total: int, what: str) -> None:
            display.status(f"{done} of {total}  {what}")

        rng = random.Random(self.seed)
        if self.only:
            return await inject_one(
                stack,
                journey,
                self._picked,
                rng=rng,
                progress=progress,
                patience=self.patient,
                then=self.only[1] if len(self.only) > 1 else None,
            )
        return await sweep(
            stack,
            journey,
            rng=rng,
            kinds=self.kinds,
            quotas=self.quotas,
            progress=progress,
            begun=begun,
        )

    def _picked(self, possible: Sequence[FaultPlan]) -> FaultPlan:
        for plan in possible:
            if self.only[0].names(plan.point, plan.kind):
                return plan
        last = possible[-1].point.ordinal if possible else 0
        raise UsageError(
            f"no fault {self.only[0]} is possible: the journey has {last} points; sweep it to see which "
            "faults are possible at each"
        )


async def _sweep(
    stack: Stack,
    bundling: SweepBundleWriter,
    journeys: Mapping[str, MakeJourney],
    sweeping: SweepRequest,
    folder: RunFolder,
    display: Display,
) -> list[tuple[SweepResult, Mapping[str, Any]]]:
    """Sweep each journey; return each result with its stored JSON document."""
    found: list[tuple[SweepResult, Mapping[str, Any]]] = []

    def keep(name: str, swept: SweepResult, aspects: Mapping[str, str]) -> None:
        kept = bundling.kept(swept, stack)
        document = swept.as_dict()
        document["findings"] = {
            aspect: {**said, **kept[aspect]} for aspect, said in document["findings"].items()
        }
        found.append((swept, document))
        folder.write_json(f"sweep-{name}.json", document)
        folder.write_text(f"sweep-{name}.md", markdown(swept, aspects))
        _show(swept, aspects, kept, display)

    try:
        await stack.start()
        for name, make in journeys.items():
            people = People(sweeping.seed)
            system = await bind(stack, bundling.descriptor, seed=sweeping.seed, identities=people)
            begun: list[SweepResult] = []
            try:
                async with require_parts_alive(stack):
                    journey = make(system)
                    swept = await sweeping.of(stack, journey, display, begun.append)
                keep(name, swept, journey.aspects)
            except asyncio.CancelledError:
                # The findings until the interrupt are kept.
                for swept in begun:
                    swept.broken_off = True
                    keep(name, swept, journey.aspects)
                display.line(Text(f"{folder.path}/"))
                raise
            finally:
                await system.close()
    finally:
        await stack.close()
    return found


def kinds_of(said: str | None) -> Sequence[FaultKind]:
    """Parse the kinds of faults on the command line, with blanks or hyphens.

    Raises:
        UsageError: there is no such kind.
    """
    if said is None:
        return EVERY_KIND
    known = {kind.value.replace(" ", "-"): kind for kind in FaultKind}
    names = [name.strip().replace(" ", "-") for name in said.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(f"no fault kind {', '.join(unknown) or 'was named'}; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def only_of(text: str | None) -> Sequence[FaultAddress]:
    """Parse the one or two faults of --only; empty without the option.

    Raises:
        UsageError: it is not an address, or there are more than two.
    """
    if text is None:
        return ()
    addresses = [FaultAddress.parse(part) for part in text.split(",")]
    found = [address for address in addresses if address is not None]
    if len(found) != len(addresses) or len(found) > 2:
        kinds = ", ".join(kind.value.replace(" ", "-") for kind in FaultKind)
        raise UsageError(
            f"expected --only POINT:KIND or POINT:KIND,POINT:KIND, e.g. 62:kill-after, found {text!r}; the "
            f"kinds are {kinds}"
        )
    return found


def exit_code(found: Sequence[SweepResult]) -> ExitCode:
    """Return the exit code: 1 if an aspect was violated, 3 if a fault took no effect, else 0."""
    if any(swept.found for swept in found):
        return ExitCode.OPEN
    if any(swept.missed for swept in found) or not all(
        swept.counts["bitten"] or swept.second_counts["bitten"] for swept in found
    ):
        return ExitCode.INCONCLUSIVE
    return ExitCode.SATISFIED


def _show(
    swept: SweepResult, aspects: Mapping[str, str], kept: Mapping[str, Mapping[str, str]], display: Display
) -> None:
    display.line(Text(f"{swept.journey}: {summary(swept)}", style="bold"))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    kinds = (kind.value.replace(" ", "\n") for kind in swept.kinds)
    for heading in ("", "step", "link", "boundary", *kinds):
        table.add_column(heading, no_wrap=True)
    for point, marks in rows(swept):
        table.add_row(str(point.ordinal), point.step, point.link, point.verb, *marks)
    display.line(table)
    for reason in why(swept):
        display.line(Text(reason, style="dim"))
    if swept.second_order:
        display.line(Text(second_summary(swept)))
    for aspect, (plan, gap) in swept.found.items():
        display.line(Text(f"VIOLATED  {aspects[aspect]}", style="red"))
        words = (f"{name}: {said}" if name == NO_BUNDLE else said for name, said in kept[aspect].items())
        for line in (str(plan or "no fault"), *str(gap).splitlines(), *words):
            display.line(Text(f"    {line}"))
