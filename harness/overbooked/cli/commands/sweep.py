"""`overbooked sweep`: fail every boundary of a journey in every way, and show the matrix."""

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

from overbooked.cli.context import ground_of
from overbooked.cli.display import Display, displayed
from overbooked.cli.looping import looped
from overbooked.cli.options import config_option, kind_option, mutant_option, seed_option, settings_of
from overbooked.cli.sweep_bundles import SweepBundling
from overbooked.errors import ExitCode, UsageError
from overbooked.fault_points.journey import Journey
from overbooked.fault_points.plans import Quotas
from overbooked.fault_points.points import EVERY_KIND, FaultPlan
from overbooked.fault_points.results import Sweep
from overbooked.fault_points.sweep import strike, sweep
from overbooked.fault_points.table import markdown, rows, second_summary, summary, why
from overbooked.journeys.identities import People
from overbooked.journeys.registry import JOURNEYS, journeys_for
from overbooked.plugin.bundle_writer import NO_BUNDLE
from overbooked.reporting.run_folder import RunFolder
from overbooked.stacks.base.part_failures import staying_whole
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.loading import bind
from overbooked.wire.gate.boundary import FaultKind


@click.command(
    epilog="Exit codes: 0 every fault was survived, 1 a violation was found or the service died on its "
    "own, 2 bad usage, 3 a fault did not bite or the harness failed, 130 interrupted. The matrix is stored "
    "as Markdown and JSON; what is violated leaves a bundle for `overbooked replay`."
)
@click.argument("name", metavar="JOURNEY|GAP")
@click.option(
    "--kinds", metavar="KIND,...", help=f"Only these: {', '.join(kind.value for kind in FaultKind)}."
)
@click.option(
    "--sample", type=click.IntRange(1), help="At most so many of stalls, kills and the others each."
)
@click.option(
    "--only", metavar="POINT:KIND", help="Just this one, by the number of its point: 62:kill-after."
)
@click.option(
    "--twice", type=click.IntRange(0), default=0, help="So many faults upon faults, while it recovers."
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
    twice: int,
    mutant: str | None,
    seed: int | None,
    kind: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Fail every boundary of a journey in every way, and judge what is left each time.

    One clean run is recorded: every SQL statement, Redis command, provider call and webhook. Each is
    then failed by error, reset, lost answer, stall, trickle and kill -9, one in a run; the client tries
    again, recovery and reconciliation finish, and money, books, holds and answers are judged.

    JOURNEY is checkout, webhook or reconciliation; a gap means its journeys.

    \b
    overbooked sweep checkout
    overbooked sweep SYS-01 --mutant SYS-01.5 --kinds error,answer-lost
    overbooked sweep checkout --sample 40 --twice 50 --json
    overbooked sweep checkout --only 62:kill-after --mutant SYS-01.2
    """
    said = settings_of(config, seed=seed, stack={"kind": kind})
    settings = said.settings
    wanted = kinds_of(kinds)
    journeys = journeys_for(name)
    plan = only_of(only)
    ground = ground_of(settings, mutant)
    folder = RunFolder.create(settings.reports)
    quotas = Quotas(plain=sample, stalls=sample, kills=sample, upon_faults=twice)
    with displayed() as display:
        display.line(Text(f"{ground.why}   seed {ground.seed}", style="dim"))
        stack = ground.stack()
        sweeping = Sweeping(wanted, quotas, plan, ground.seed)
        bundling = SweepBundling(
            settings, ground.descriptor, ground.mutant, ground.seed, folder.path, Path.cwd(), said.config
        )
        found = looped(lambda: _sweep(stack, bundling, journeys, sweeping, folder, display))
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
class Sweeping:
    """What is to be swept of each journey; `only` is one point and kind."""

    kinds: Sequence[FaultKind]
    quotas: Quotas
    only: tuple[int, FaultKind] | None
    seed: int

    async def of(
        self, stack: Stack, journey: Journey, display: Display, begun: Callable[[Sweep], None]
    ) -> Sweep:
        """Sweep one journey; `begun` is given the sweep that will be filled."""

        def progress(done: int, total: int, what: str) -> None:
            display.status(f"{done} of {total}  {what}")

        rng = random.Random(self.seed)
        if self.only is not None:
            return await strike(stack, journey, self._picked, rng=rng, progress=progress)
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
            if (plan.point.ordinal, plan.kind) == self.only:
                return plan
        assert self.only is not None
        last = possible[-1].point.ordinal if possible else 0
        raise UsageError(
            f"{self.only[1].value} at point {self.only[0]} makes no sense: the journey has {last} points; "
            "sweep it to see what can be done at each"
        )


async def _sweep(
    stack: Stack,
    bundling: SweepBundling,
    journeys: Sequence[str],
    sweeping: Sweeping,
    folder: RunFolder,
    display: Display,
) -> list[tuple[Sweep, Mapping[str, Any]]]:
    """Each journey's sweep, and what is stored of it."""
    found: list[tuple[Sweep, Mapping[str, Any]]] = []

    def keep(name: str, swept: Sweep, aspects: Mapping[str, str]) -> None:
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
        for name in journeys:
            people = People(sweeping.seed)
            system = await bind(stack, bundling.descriptor, seed=sweeping.seed, people=people)
            begun: list[Sweep] = []
            try:
                async with staying_whole(stack):
                    journey = JOURNEYS[name](system)
                    swept = await sweeping.of(stack, journey, display, begun.append)
                keep(name, swept, journey.aspects)
            except asyncio.CancelledError:
                # What was found until somebody lost patience is not lost.
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
    """The kinds that the command line names, with blanks or hyphens.

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


def only_of(said: str | None) -> tuple[int, FaultKind] | None:
    """The point and the kind that the command line names, e.g. `62:kill-after`.

    Raises:
        UsageError: it names none.
    """
    if said is None:
        return None
    ordinal, colon, kind = said.partition(":")
    if not colon or not ordinal.strip().isdigit():
        raise UsageError(f"wanted --only POINT:KIND, e.g. 62:kill-after, found {said!r}")
    (wanted,) = kinds_of(kind)[:1]
    return int(ordinal), wanted


def exit_code(found: Sequence[Sweep]) -> ExitCode:
    """1 when anything was violated, 3 when something did not bite, else 0."""
    if any(swept.found for swept in found):
        return ExitCode.OPEN
    if any(swept.toothless for swept in found) or not all(swept.counts["bitten"] for swept in found):
        return ExitCode.INCONCLUSIVE
    return ExitCode.SATISFIED


def _show(
    swept: Sweep, aspects: Mapping[str, str], kept: Mapping[str, Mapping[str, str]], display: Display
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
        for line in (str(plan or "no fault at all"), *str(gap).splitlines(), *words):
            display.line(Text(f"    {line}"))
