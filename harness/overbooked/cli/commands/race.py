"""`overbooked race`: explore the races of a gap, or run one schedule of them by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.text import Text

from overbooked.catalog import Catalog
from overbooked.catalog.model import Means
from overbooked.catalog.selection import Selection
from overbooked.cli.context import ground_of
from overbooked.cli.display import Display, displayed, plainly
from overbooked.cli.exploration_progress import Watching
from overbooked.cli.interactive import Walk, answers
from overbooked.cli.interrupted import Interrupted
from overbooked.cli.options import Said, config_option, kind_option, mutant_option, seed_option, settings_of
from overbooked.cli.progress import Progress
from overbooked.cli.run_listener import RunBook
from overbooked.cli.single_schedule import CODES, run_one_order
from overbooked.errors import ExitCode, UsageError
from overbooked.reporting.reports import write_reports
from overbooked.reporting.run_folder import RunFolder
from overbooked.runs.exploration_options import Orders
from overbooked.runs.plan import HEALTHY, Plan, Variant
from overbooked.runs.planning import deadline_of, with_kind
from overbooked.runs.session import hold
from overbooked.runs.stack_factory import descriptor_of
from overbooked.runs.written import expected, written
from overbooked.verdicts.scorecard import Run, Scorecard, Shard

# Who walks by hand takes his time.
WALK_S = 3600.0


class Schedule(click.ParamType[tuple[int, ...]]):
    """Actors by number, from 0, divided by commas."""

    name = "schedule"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        words = [word.strip() for word in str(value).split(",") if word.strip()]
        if not all(word.isdecimal() and len(word) < 4 for word in words):
            self.fail(f"wanted actors by number, such as 0,0,1,1,0; found {value!r}", param, ctx)
        return tuple(map(int, words))


class Part(click.ParamType[tuple[int, int]]):
    """One of so many parts, from 1."""

    name = "part"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        index, slash, parts = str(value).partition("/")
        if not (slash and index.isdecimal() and parts.isdecimal() and 1 <= int(index) <= int(parts)):
            self.fail(f"wanted one part of several, such as 2/8; found {value!r}", param, ctx)
        return int(index), int(parts)


@click.command(
    epilog="Exit codes: 0 no schedule breaks anything, 1 one does, 2 bad usage, 3 inconclusive or left "
    "before the end, 4 no scenario explores this, 130 interrupted. Findings leave a bundle, and their "
    "lanes as HTML and SVG beside it; `overbooked replay` runs it again."
)
@click.argument("name", metavar="GAP|CLAUSE")
@mutant_option
@click.option(
    "--preemptions",
    type=click.IntRange(0, 20),
    help="How often an actor is stopped that could go on; default as the profile says.",
)
@click.option("--schedule", type=Schedule(), metavar="0,0,1,...", help="Run this one order, not all.")
@click.option("--step", is_flag=True, help="Choose by hand who goes next.")
@click.option(
    "--shard", type=Part(), default="1/1", metavar="I/N", help="Only the I-th of N parts of each race."
)
@click.option("--scenario", default="", metavar="TEXT", help="Only the scenario whose name contains this.")
@click.option("--race", default="", metavar="NAME", help="With --schedule or --step: the race within it.")
@click.option("--profile", help="Whose budgets hold: quick, ci, nightly.")
@seed_option
@kind_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON on stdout.")
def command(
    *,
    name: str,
    mutant: str | None,
    preemptions: int | None,
    schedule: tuple[int, ...] | None,
    step: bool,
    shard: tuple[int, int],
    scenario: str,
    race: str,
    profile: str | None,
    seed: int | None,
    kind: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Explore the races of a gap: every order of their statements within a bound of preemptions.

    Nothing but the scenarios that explore is run, in one process and on one stack. With --schedule one
    order is run by hand, each number an actor; where it ends they go on without preemptions. With --step
    each held statement is shown and you choose who goes.

    \b
    overbooked race SYS-03
    overbooked race SYS-03.a --mutant SYS-03.1 --preemptions 1
    overbooked race SYS-03.a --schedule 1,1,1,1,0,0,0,0,1,1
    overbooked race SYS-03.a --mutant SYS-03.1 --step
    overbooked race SYS-03 --profile nightly --seed 7 --shard 2/8
    """
    if race and not (step or schedule is not None):
        raise UsageError("--race names the race of one schedule; say --schedule or --step too")
    if shard != (1, 1) and (step or schedule is not None):
        raise UsageError("--shard divides an exploration, and one schedule cannot be divided")
    said = settings_of(config, profile=profile, seed=seed, stack={"kind": kind})
    selection = explored(said.settings.catalog(), name)
    folder = RunFolder.create(said.settings.reports)
    plan, why = planned(said, selection, mutant, folder.path)
    orders = Orders(
        match=scenario, race=race, schedule=schedule, step=step, shard=shard, preemptions=preemptions
    )
    plan = replace(plan, orders=orders, scenario_timeout_s=WALK_S if step else plan.scenario_timeout_s)
    with shown(stepped=step) as (display, read):
        display.line(Text(why, style="dim"))
        walk = Walk(display, read) if step else None
        if step:
            display.line(
                Text("the system starts and its race is run a few times; then you choose", style="dim")
            )
        watching = Watching(display, walk)
        if orders.one:
            code, document = run_one_order(plan, said, watching, display)
        else:
            scorecard = held(plan, said, booked(plan, said, selection, folder, display), watching)
            code, document = code_of(scorecard), scorecard.as_dict()
            display.line(Text(f"{_sum(scorecard, watching)}   {folder.path}/"))
        if walk is not None and walk.quit:
            display.line(Text(f"you left; until then it was --schedule {walk.schedule or '(nothing)'}"))
    if as_json:
        json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    return code


def explored(catalog: Catalog, name: str, *, by_any: bool = False) -> Selection:
    """The clauses of a gap, or the one clause, that are to be shown by interleavings.

    Args:
        by_any: also a clause that is shown otherwise, whose schedule was found in another way.

    Raises:
        UnknownGap: there is no gap or clause of that name.
        UsageError: there is none by interleavings.
    """
    clauses = catalog.clauses_of([name])
    wanted = tuple(clause.name for clause in clauses if by_any or Means.INTERLEAVINGS in clause.by)
    gap = catalog.gap_of(name)
    if not wanted:
        having = [clause.name for clause in gap.clauses if Means.INTERLEAVINGS in clause.by]
        hint = f"of {gap.id} it is {', '.join(having)}" if having else f"{gap.id} has no such clause"
        raise UsageError(f"{name} is not shown by interleavings; {hint}")
    others = {
        clause.name: "`race` explores interleavings and nothing else"
        for clause in gap.clauses
        if clause.name not in wanted
    }
    return Selection((gap,), wanted, others, narrowed=True)


def planned(said: Said, selection: Selection, mutant: str | None, folder: Path) -> tuple[Plan, str]:
    """A plan of these clauses on the healthy system or a mutant, and why this kind of stack.

    Args:
        folder: where its output goes; its name is the run's id.

    Raises:
        UsageError: there is no such mutant or stack.
    """
    settings = said.settings
    ground = ground_of(settings, mutant)
    plan = Plan(
        run=folder.name,
        directory=folder,
        root=settings.root,
        start=Path.cwd(),
        settings=with_kind(said.overrides, ground.kind),
        config=said.config,
        seed=ground.seed,
        variants=(
            Variant(ground.mutant or HEALTHY, ground.mutant, selection.clauses, settings.stack.replicas),
        ),
        scenario_timeout_s=settings.scenario_timeout_s,
        deadline_at=deadline_of(settings),
    )
    return plan, ground.why


def booked(plan: Plan, said: Said, selection: Selection, folder: RunFolder, display: Display) -> RunBook:
    """A book for a run of these clauses, without a canary."""
    settings = said.settings
    index, parts = plan.orders.shard if plan.orders else (1, 1)
    return RunBook(
        run=Run(
            id=folder.run,
            started_at=datetime.now(UTC),
            seed=plan.seed,
            profile=settings.profile,
            stack=str(plan.settings["stack"]["kind"]),
            mutant=plan.variants[0].mutant,
            target=descriptor_of(settings).name,
            workers=0,
            shard=Shard(parts, (index,)) if parts > 1 else None,
            options=said.options,
        ),
        selection=selection,
        canary=None,
        folder=folder,
        display=display,
        progress=Progress(0, {}),
        expected=expected(written(settings.scenarios, settings.root), settings.catalog()),
    )


def held(plan: Plan, said: Said, book: RunBook, watching: Watching) -> Scorecard:
    """Run a plan in this process and say what came of it; reports are written, `latest` is not moved.

    Raises:
        UsageError: it cannot be run.
        Interrupted: by Ctrl-C.
    """
    ended = hold(plan, said.settings.scenarios, workers=0, listener=book, watcher=watching)
    if book.refusal:
        raise book.refusal
    if ended.interrupted:
        book.folder.write(book.scorecard(aborted="interrupted"))
        raise Interrupted(book.folder.path)
    book.close()
    scorecard = book.scorecard(complete=True)
    write_reports(book.folder, scorecard, assets=said.settings.root / "reports", latest=False)
    book.show_rest(scorecard)
    return scorecard


def code_of(scorecard: Scorecard) -> ExitCode:
    """The exit code of the worst verdict of all clauses asked."""
    verdicts = {clause.verdict for gap in scorecard.gaps for clause in gap.clauses if clause.verdict}
    return next((code for verdict, code in CODES.items() if verdict in verdicts), ExitCode.TOO_FEW)


def _sum(scorecard: Scorecard, watching: Watching) -> str:
    clauses = [clause for gap in scorecard.gaps for clause in gap.clauses if clause.verdict]
    said = ", ".join(f"{clause.id} {clause.verdict}" for clause in clauses)
    noun = "schedule" if watching.schedules == 1 else "schedules"
    races = "race" if len(watching.counts) == 1 else "races"
    return f"{said}: {watching.schedules} {noun} of {len(watching.counts)} {races}"


@contextmanager
def shown(*, stepped: bool) -> Iterator[tuple[Display, Callable[[], str | None]]]:
    """Where things are shown and answers come from; a status line would be in the way of a question."""
    if stepped:
        with answers() as read, plainly() as display:
            yield display, read
    else:
        with displayed() as display:
            yield display, lambda: None
