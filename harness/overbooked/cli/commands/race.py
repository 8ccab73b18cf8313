"""`overbooked race`: explore the races of a gap, or run a single schedule."""

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
from overbooked.cli.context import command_context
from overbooked.cli.display import Display, open_display, plain_display
from overbooked.cli.exploration_progress import ExplorationProgress
from overbooked.cli.interactive import InteractiveStepper, answers
from overbooked.cli.options import (
    ResolvedSettings,
    ShardParam,
    config_option,
    kind_option,
    mutant_option,
    resolve_settings,
    seed_option,
)
from overbooked.cli.progress import Progress
from overbooked.cli.race_list import list_races, races_in, require_known
from overbooked.cli.report_listeners import make_reports
from overbooked.cli.run_listener import RunListener
from overbooked.cli.single_schedule import CODES, run_single_schedule
from overbooked.cli.terminal import Interrupted
from overbooked.errors import ExitCode, UsageError
from overbooked.interleavings.strategies.sampling import NAMES as SAMPLING
from overbooked.reporting.reports import RunEnded
from overbooked.reporting.run_folder import RunFolder
from overbooked.runs.exploration_options import ExplorationOptions
from overbooked.runs.plan import HEALTHY, Plan, Variant
from overbooked.runs.planning import deadline_of, with_kind
from overbooked.runs.session import run_session
from overbooked.runs.stack_factory import load_descriptor
from overbooked.runs.written import expected, written
from overbooked.verdicts.scorecard import Run, Scorecard, Shard

# Time limit of a scenario with --step, in seconds; the user may take long for a choice.
WALK_S = 3600.0


class Schedule(click.ParamType[tuple[int, ...]]):
    """A schedule: actor numbers from 0, separated by commas."""

    name = "schedule"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        words = [word.strip() for word in str(value).split(",") if word.strip()]
        if not all(word.isdecimal() and len(word) < 4 for word in words):
            self.fail(f"wanted actors by number, such as 0,0,1,1,0; found {value!r}", param, ctx)
        return tuple(map(int, words))


@click.command(
    epilog="Exit codes: 0 no schedule breaks anything, 1 one does, 2 bad usage, 3 inconclusive or left "
    "before the end, 4 no scenario explores this, 130 interrupted. Findings leave a bundle, and their "
    "lanes as HTML and SVG beside it; `overbooked replay` runs it again."
)
@click.argument("name", metavar="GAP|CLAUSE", required=False)
@mutant_option
@click.option(
    "--preemptions",
    type=click.IntRange(0, 20),
    help="The preemption bound of an exhaustive search; default as the profile says.",
)
@click.option(
    "--strategy",
    type=click.Choice(["exhaustive", "random", "pct", "replay", "interactive"]),
    help="Which schedules are run: all within the bound (the default), some drawn by random walk or PCT; "
    "replay takes --schedule, interactive is --step.",
)
@click.option(
    "--schedules",
    type=click.IntRange(1, 1_000_000),
    help="How many of each race: drawn by random or pct (default 200), at most by exhaustive.",
)
@click.option(
    "--depth", type=click.IntRange(1, 20), help="Of PCT: the depth of the bugs looked for; default 3."
)
@click.option("--list", "listed", is_flag=True, help="Name the races and end; no stack is started.")
@click.option("--schedule", type=Schedule(), metavar="0,0,1,...", help="Run this one schedule, not all.")
@click.option("--step", is_flag=True, help="Choose the next actor by hand.")
@click.option(
    "--shard", type=ShardParam(), default="1/1", metavar="I/N", help="Only the I-th of N parts of each race."
)
@click.option("--scenario", default="", metavar="TEXT", help="Only the scenario whose name contains this.")
@click.option("--race", default="", metavar="NAME", help="With --schedule or --step: the race within it.")
@click.option("--profile", help="Whose budgets hold: quick, ci, nightly.")
@seed_option
@kind_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
def command(
    *,
    name: str | None,
    mutant: str | None,
    preemptions: int | None,
    strategy: str | None,
    schedules: int | None,
    depth: int | None,
    listed: bool,
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
    schedule is run, each number an actor; after it actors continue without preemptions. With --step each
    held statement is shown and you choose the next actor.

    \b
    overbooked race SYS-03
    overbooked race SYS-03.a --mutant SYS-03.1 --preemptions 1
    overbooked race SYS-03.a --schedule 1,1,1,1,0,0,0,0,1,1
    overbooked race SYS-03.a --mutant SYS-03.1 --step
    overbooked race SYS-03 --profile nightly --seed 7 --shard 2/8
    overbooked race SYS-03.a --strategy pct --schedules 200 --seed 7
    overbooked race SYS-03 --list
    """
    step = step or strategy == "interactive"
    one = step or schedule is not None
    require_consistent(
        strategy,
        step=step,
        scheduled=schedule is not None,
        preemptions=preemptions,
        schedules=schedules,
        depth=depth,
        shard=shard,
    )
    if race and not (one or listed):
        raise UsageError("--race names the race of one schedule; say --schedule, --step or --list too")
    said = resolve_settings(config, profile=profile, seed=seed, stack={"kind": kind})
    if listed:
        return list_races(said.settings, name, race=race, as_json=as_json)
    if name is None:
        raise UsageError(
            "wanted a gap or clause, such as SYS-03 or SYS-03.a; `overbooked race --list` names all"
        )
    selection = interleaving_clauses(said.settings.catalog(), name)
    if race:
        require_known(race, races_in(said.settings, name))
    folder = RunFolder.create(said.settings.reports)
    plan, why = make_plan(said, selection, mutant, folder.path)
    orders = ExplorationOptions(
        match=scenario,
        race=race,
        schedule=schedule,
        step=step,
        shard=shard,
        preemptions=preemptions,
        strategy=strategy if strategy in SAMPLING and strategy else "",
        schedules=schedules,
        depth=depth,
    )
    plan = replace(plan, orders=orders, scenario_timeout_s=WALK_S if step else plan.scenario_timeout_s)
    with display_for(stepped=step) as (display, read):
        display.line(Text(why, style="dim"))
        walk = InteractiveStepper(display, read) if step else None
        if step:
            display.line(
                Text("the system starts and its race is run a few times; then you choose", style="dim")
            )
        watching = ExplorationProgress(display, walk)
        if orders.one:
            code, document = run_single_schedule(plan, said, watching, display)
        else:
            scorecard = held(plan, said, make_listener(plan, said, selection, folder, display), watching)
            code, document = exit_code(scorecard), scorecard.as_dict()
            display.line(Text(f"{_sum(scorecard, watching)}   {folder.path}/"))
        if walk is not None and walk.quit:
            display.line(Text(f"you left; until then it was --schedule {walk.schedule or '(nothing)'}"))
    if as_json:
        json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    return code


def require_consistent(
    strategy: str | None,
    *,
    step: bool,
    scheduled: bool,
    preemptions: int | None,
    schedules: int | None,
    depth: int | None,
    shard: tuple[int, int],
) -> None:
    """Reject options that contradict a strategy.

    Raises:
        UsageError: options are contradictory, or the strategy needs a schedule and has none.
    """
    if strategy == "replay" and not scheduled:
        raise UsageError("--strategy replay follows a schedule; say which: --schedule 0,0,1,...")
    option = "--step" if step else "--schedule"
    if (step or scheduled) and strategy not in {None, "interactive" if step else "replay"}:
        raise UsageError(
            f"{option} runs one schedule, and --strategy {strategy} chooses others; say one of them"
        )
    if (step or scheduled) and schedules is not None:
        raise UsageError(f"--schedules counts schedules of an exploration, and {option} runs one")
    if (step or scheduled) and shard != (1, 1):
        raise UsageError("--shard divides an exploration, and one schedule cannot be divided")
    if depth is not None and strategy != "pct":
        raise UsageError("--depth is PCT's; say --strategy pct too")
    if strategy not in SAMPLING:
        return
    if preemptions is not None:
        raise UsageError(f"--preemptions bounds an exhaustive search; --strategy {strategy} has no bound")
    if shard != (1, 1):
        raise UsageError(f"--shard divides an exhaustive search; give --strategy {strategy} another --seed")


def interleaving_clauses(catalog: Catalog, name: str, *, by_any: bool = False) -> Selection:
    """Return the clauses of a gap, or the one clause, that are shown by interleavings.

    Args:
        by_any: include clauses shown by other means, e.g. for a schedule found after a burst.

    Raises:
        UnknownGap: there is no gap or clause of that name.
        UsageError: no such clause is shown by interleavings.
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


def make_plan(
    said: ResolvedSettings, selection: Selection, mutant: str | None, folder: Path
) -> tuple[Plan, str]:
    """Return a plan of these clauses on the healthy system or a mutant, and the reason for the kind of stack.

    Args:
        folder: the output folder; its name is the run's id.

    Raises:
        UsageError: there is no such mutant or stack.
    """
    settings = said.settings
    ground = command_context(settings, mutant)
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


def make_listener(
    plan: Plan, said: ResolvedSettings, selection: Selection, folder: RunFolder, display: Display
) -> RunListener:
    """Return a listener for a run of these clauses without a canary."""
    settings = said.settings
    index, parts = plan.orders.shard if plan.orders else (1, 1)
    return RunListener(
        run=Run(
            id=folder.run,
            started_at=datetime.now(UTC),
            seed=plan.seed,
            profile=settings.profile,
            stack=str(plan.settings["stack"]["kind"]),
            mutant=plan.variants[0].mutant,
            target=load_descriptor(settings).name,
            workers=0,
            shard=Shard(parts, (index,)) if parts > 1 else None,
            options=said.options,
        ),
        selection=selection,
        canary=None,
        folder=folder,
        display=display,
        reports=make_reports(settings, folder, display, closes=False),
        progress=Progress(0, {}),
        expected=expected(written(settings.scenarios, settings.root), settings.catalog()),
    )


def held(plan: Plan, said: ResolvedSettings, book: RunListener, watching: ExplorationProgress) -> Scorecard:
    """Run a plan in this process and return the scorecard; reports are written, `latest` is not changed.

    Raises:
        UsageError: the plan cannot be run.
        Interrupted: Ctrl-C was pressed.
    """
    ended = run_session(plan, said.settings.scenarios, workers=0, listener=book, watcher=watching)
    if book.refusal:
        raise book.refusal
    if ended.interrupted:
        scorecard = book.scorecard(aborted="interrupted")
        book.folder.write(scorecard)
        book.reports.publish(RunEnded(scorecard))
        raise Interrupted(book.folder.path)
    book.close()
    scorecard = book.scorecard(complete=True)
    book.folder.write(scorecard)
    book.reports.publish(RunEnded(scorecard))
    return scorecard


def exit_code(scorecard: Scorecard) -> ExitCode:
    """Return the exit code for the worst verdict of all requested clauses."""
    verdicts = {clause.verdict for gap in scorecard.gaps for clause in gap.clauses if clause.verdict}
    return next((code for verdict, code in CODES.items() if verdict in verdicts), ExitCode.TOO_FEW)


def _sum(scorecard: Scorecard, watching: ExplorationProgress) -> str:
    clauses = [clause for gap in scorecard.gaps for clause in gap.clauses if clause.verdict]
    said = ", ".join(f"{clause.id} {clause.verdict}" for clause in clauses)
    noun = "schedule" if watching.schedules == 1 else "schedules"
    races = "race" if len(watching.counts) == 1 else "races"
    return f"{said}: {watching.schedules} {noun} of {len(watching.counts)} {races}"


@contextmanager
def display_for(*, stepped: bool) -> Iterator[tuple[Display, Callable[[], str | None]]]:
    """Open a display and a reader of answers; without a status line if the user is asked questions."""
    if stepped:
        with answers() as read, plain_display() as display:
            yield display, read
    else:
        with open_display() as display:
            yield display, lambda: None
