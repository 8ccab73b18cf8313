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
from overbooked.cli.display import displayed
from overbooked.cli.interrupted import Interrupted
from overbooked.cli.options import (
    Said,
    policy_of,
    selected,
    selection_options,
    session_options,
    session_settings,
    settings_of,
)
from overbooked.cli.progress import Progress
from overbooked.cli.run_listener import RunBook
from overbooked.errors import ExitCode, gravest
from overbooked.reporting.console import closing
from overbooked.reporting.reports import write_reports
from overbooked.reporting.run_folder import RunFolder
from overbooked.runs.durations import known_weights, remember_weights
from overbooked.runs.mutants import require
from overbooked.runs.plan import Plan
from overbooked.runs.planning import deadline_of, drawn_seed, run_variants, with_kind
from overbooked.runs.session import Ended, hold
from overbooked.runs.stack_factory import descriptor_of, settled, workers_for
from overbooked.runs.written import expected, written
from overbooked.verdicts.policy import decide
from overbooked.verdicts.scorecard import Run, Scorecard


@click.command(
    epilog="Exit codes: 0 the policy is satisfied, 1 a gating gap is open, 2 bad usage, 3 a gating gap "
    "is inconclusive or the canary did not open, 4 fewer gaps judged than required, 130 interrupted."
)
@selection_options
@session_options
@click.option("--mutant", metavar="ID", help="Switch on one seeded defect, e.g. SYS-03.1.")
def command(
    *,
    gaps: tuple[str, ...],
    theme: str | None,
    priority: str | None,
    mutant: str | None,
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
    """
    said = settings_of(config, **session_settings(options))
    return run(said, gaps, theme=theme, priority=priority, mutant=mutant, as_json=as_json)


def run(
    said: Said,
    names: Sequence[str],
    *,
    theme: str | None,
    priority: str | None,
    mutant: str | None,
    as_json: bool,
) -> int:
    """Judge what was selected; returns the exit code.

    Raises:
        UsageError: what was said cannot be run.
        HarnessError: the harness itself failed.
    """
    settings = said.settings
    catalog = settings.catalog()
    selection = selected(catalog, settings, names, theme, priority)
    seeded = catalog.mutant(mutant) if mutant else None
    policy = policy_of(settings)
    descriptor = descriptor_of(settings)
    if seeded:
        require(seeded, descriptor)
    variants = run_variants(settings, catalog, selection, seeded)
    choice = settled(settings, descriptor)
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
        weights=known_weights(settings.reports, settings.scenarios),
    )
    with displayed() as display:
        display.line(Text(choice.why, style="dim"))
        if fewer:
            display.line(Text(fewer, style="dim"))
        book = RunBook(
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
            ),
            selection=selection,
            canary=settings.canary or None,
            folder=folder,
            display=display,
            progress=Progress(workers, plan.weights),
            expected=expected(written(settings.scenarios, settings.root), catalog),
        )
        try:
            ended = hold(plan, settings.scenarios, workers=workers, listener=book)
        finally:
            book.write_when_due(now=True)
        scorecard = _concluded(book, ended)
        if book.refusal:
            folder.publish(scorecard)
            raise book.refusal
        if ended.interrupted:
            folder.publish(scorecard)
            raise Interrupted(folder.path)
        book.show_rest(scorecard)
        decision = decide(scorecard, policy, catalog=catalog)
        code = ExitCode(decision.exit_code)
        if seeded:
            came_to = seeding.concluded(seeded, selection.clauses, book.own_results())
            display.line(Text(came_to.sentence, style="" if came_to.found else "bold red"))
            code = gravest(code, came_to.code)
            if not came_to.found:
                scorecard = replace(scorecard, errors=(*scorecard.errors, came_to.sentence))
        write_reports(folder, scorecard, decision, assets=settings.root / "reports")
        if seeded is None:
            remember_weights(settings.reports, book.spent())
        display.line(closing(scorecard, decision, folder.path))
    if as_json:
        json.dump(scorecard.as_dict(), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    return code


def _concluded(book: RunBook, ended: Ended) -> Scorecard:
    if book.refusal:
        return book.scorecard(aborted=str(book.refusal))
    if ended.interrupted:
        return book.scorecard(aborted="interrupted")
    if ended.overdue:
        return book.scorecard(aborted="its deadline passed and a worker did not stop")
    book.close()
    return book.scorecard(complete=True)
