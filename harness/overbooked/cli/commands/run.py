"""`overbooked run`: judge gaps and write a scorecard."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from overbooked.cli import seeded as seeding
from overbooked.cli.display import open_display
from overbooked.cli.options import (
    SHARD_HELP,
    ResolvedSettings,
    ShardParam,
    policy_of,
    require_seed,
    resolve_settings,
    selected,
    selection_options,
    session_options,
    session_settings,
)
from overbooked.cli.progress import Progress
from overbooked.cli.report_listeners import make_reports
from overbooked.cli.run_listener import RunListener
from overbooked.cli.terminal import Interrupted
from overbooked.errors import ExitCode, gravest
from overbooked.reporting.reports import RunEnded
from overbooked.reporting.run_folder import RunFolder
from overbooked.runs.durations import load, save, shipped
from overbooked.runs.mutants import require_mutant
from overbooked.runs.plan import Plan
from overbooked.runs.planning import deadline_of, drawn_seed, run_variants, with_kind
from overbooked.runs.session import SessionEnd, run_session
from overbooked.runs.stack_factory import load_descriptor, resolve_kind, workers_for
from overbooked.runs.written import expected, written
from overbooked.verdicts.policy import decide
from overbooked.verdicts.scorecard import Run, Scorecard, Shard


@click.command(
    epilog="Exit codes: 0 the policy is satisfied, 1 a gating gap is open, 2 bad usage, 3 a gating gap "
    "is inconclusive or the canary did not open, 4 fewer gaps judged than required, 130 interrupted."
)
@selection_options
@session_options
@click.option("--mutant", metavar="ID", help="Switch on one seeded defect, e.g. SYS-03.1.")
@click.option("--shard", type=ShardParam(), default="1/1", metavar="I/N", help=SHARD_HELP)
def command(
    *,
    gaps: tuple[str, ...],
    theme: str | None,
    priority: str | None,
    mutant: str | None,
    shard: tuple[int, int],
    as_json: bool,
    config: Path | None,
    **options: Any,
) -> int:
    """Judge gaps: start the system, run the scenarios, write a scorecard.

    GAP is a gap (SYS-03) or one clause of it (SYS-03.c); without any, all gaps of the catalog.

    \b
    overbooked run
    overbooked run SYS-01 SYS-03 --seed 4711
    overbooked run --theme revenue --priority P0 --stack containers
    overbooked run --mutant SYS-03.1          # must come out open
    overbooked run --json > scorecard.json
    overbooked run --shard 2/8 --seed 7       # then: overbooked report RUN RUN ...

    A shard alone exits with 4 at best: a gap is closed only after the merge, when every scenario ran.
    """
    said = resolve_settings(config, **session_settings(options))
    require_seed(said.settings, shard)
    return run(said, gaps, theme=theme, priority=priority, mutant=mutant, shard=shard, as_json=as_json)


def run(
    said: ResolvedSettings,
    names: Sequence[str],
    *,
    theme: str | None,
    priority: str | None,
    mutant: str | None,
    as_json: bool,
    shard: tuple[int, int] = (1, 1),
) -> int:
    """Judge the selected gaps, and return the exit code.

    Raises:
        UsageError: the options cannot be run.
        HarnessError: the harness failed.
    """
    settings = said.settings
    catalog = settings.catalog()
    selection = selected(catalog, settings, names, theme, priority)
    seeded = catalog.mutant(mutant) if mutant else None
    policy = policy_of(settings)
    descriptor = load_descriptor(settings)
    if seeded:
        require_mutant(seeded, descriptor)
    variants = run_variants(settings, catalog, selection, seeded)
    choice = resolve_kind(settings, descriptor)
    workers, fewer = workers_for(choice.kind, settings.stack, settings.workers)
    folder = RunFolder.create(settings.reports)
    started = datetime.now(UTC)
    plan = Plan(
        run=folder.run,
        directory=folder.path,
        root=settings.root,
        start=Path.cwd(),
        settings=with_kind(said.overrides, choice.kind),
        config=said.config,
        seed=settings.seed if settings.seed is not None else drawn_seed(),
        variants=variants,
        scenario_timeout_s=settings.scenario_timeout_s,
        deadline_at=deadline_of(settings),
        # Shards on several machines must use equal weights to divide the scenarios.
        weights=load(settings.reports, settings.scenarios)
        if shard == (1, 1)
        else shipped(settings.scenarios),
        shard=shard,
    )
    with open_display() as display:
        display.line(Text(choice.why, style="dim"))
        if fewer:
            display.line(Text(fewer, style="dim"))
        reports = make_reports(settings, folder, display)
        book = RunListener(
            run=Run(
                id=folder.run,
                started_at=started,
                seed=plan.seed,
                profile=settings.profile,
                stack=choice.kind,
                mutant=seeded.name if seeded else None,
                target=descriptor.name,
                workers=workers,
                options=said.options,
                shard=Shard(shard[1], (shard[0],)) if shard != (1, 1) else None,
            ),
            selection=selection,
            canary=settings.canary or None,
            folder=folder,
            display=display,
            reports=reports,
            progress=Progress(workers, plan.weights),
            expected=expected(written(settings.scenarios, settings.root), catalog),
        )
        try:
            ended = run_session(plan, settings.scenarios, workers=workers, listener=book)
        finally:
            book.write_when_due(now=True)
        scorecard = _concluded(book, ended)
        if book.refusal:
            folder.publish(scorecard)
            raise book.refusal
        if ended.interrupted:
            folder.publish(scorecard)
            reports.publish(RunEnded(scorecard))
            raise Interrupted(folder.path)
        decision = decide(scorecard, policy, catalog=catalog)
        code = ExitCode(decision.exit_code)
        if seeded:
            came_to = seeding.concluded(seeded, selection.clauses, book.own_results())
            display.line(Text(came_to.sentence, style="" if came_to.found else "bold red"))
            code = gravest(code, came_to.code)
            if not came_to.found:
                scorecard = replace(scorecard, errors=(*scorecard.errors, came_to.sentence))
        folder.write(scorecard)
        reports.publish(RunEnded(scorecard, decision))
        folder.publish(scorecard)  # last, so that `latest` never points to an incomplete report
        if seeded is None:
            save(settings.reports, book.spent())
    if as_json:
        json.dump(scorecard.as_dict(), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    return code


def _concluded(book: RunListener, ended: SessionEnd) -> Scorecard:
    if book.refusal:
        return book.scorecard(aborted=str(book.refusal))
    if ended.interrupted:
        return book.scorecard(aborted="interrupted")
    if ended.overdue:
        return book.scorecard(aborted="its deadline passed and a worker did not stop")
    book.close()
    return book.scorecard(complete=True)
