"""`overbooked prove`: run the scenarios on the healthy system and on each mutant."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from overbooked.catalog import Catalog
from overbooked.cli.display import open_display
from overbooked.cli.options import (
    SHARD_HELP,
    Duration,
    ShardParam,
    resolve_settings,
    selection_options,
    session_options,
    session_settings,
)
from overbooked.cli.progress import Progress
from overbooked.cli.proof_plan import Proof, ProofRequest, begin_proof, resume_proof
from overbooked.cli.prove_listener import ProofListener
from overbooked.cli.terminal import Interrupted
from overbooked.cli.trial_journal import JOURNAL, Journal
from overbooked.errors import ExitCode, UsageError
from overbooked.reporting.kill_matrix import matrix_json, matrix_markdown, matrix_table
from overbooked.runs.durations import save
from overbooked.runs.mutants import also_opens
from overbooked.runs.planning import ProofScope
from overbooked.runs.session import run_session
from overbooked.runs.stack_factory import load_descriptor, workers_for
from overbooked.runs.written import expected, written
from overbooked.verdicts.kill_matrix import KillMatrix
from overbooked.verdicts.verdict import Verdict


@click.command(
    epilog="Exit codes: 0 every mutant killed and no false alarm, 1 a mutant survived or a false alarm, "
    "2 bad usage, 3 something was inconclusive or did not run, 130 interrupted."
)
@selection_options
@session_options
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, help="How many times each trial runs.")
@click.option("--mutant", "mutants", multiple=True, metavar="ID", help="Only this mutant; may be repeated.")
@click.option(
    "--across",
    "reach",
    flag_value=ProofScope.ALL,
    type=ProofScope,
    help="Each mutant meets the scenarios of every selected gap, to see what else it opens.",
)
@click.option(
    "--narrow",
    "reach",
    flag_value=ProofScope.BROKEN,
    type=ProofScope,
    help="Each mutant meets only the scenarios of the clauses it breaks; quicker.",
)
@click.option(
    "--since",
    metavar="REV",
    help="Only what may have another verdict than at this git revision; uncommitted files count as changed.",
)
@click.option(
    "--budget",
    type=Duration(),
    metavar="TIME",
    help="As much as fits in 90s, 10m or 1h: what changed first, then a sample that rotates by commit.",
)
@click.option("--shard", type=ShardParam(), default="1/1", metavar="I/N", help=SHARD_HELP)
@click.option("--resume", metavar="RUN", help="Resume a proof that was interrupted.")
def command(
    *,
    gaps: tuple[str, ...],
    theme: str | None,
    priority: str | None,
    repeat: int,
    mutants: tuple[str, ...],
    reach: ProofScope | None,
    since: str | None,
    budget: float | None,
    shard: tuple[int, int],
    resume: str | None,
    as_json: bool,
    config: Path | None,
    **options: Any,
) -> int:
    """Prove the verdicts: each scenario on the healthy system and on each of its mutants.

    A scenario must say closed on the healthy system, and open on every mutant, in the clauses
    that the mutant breaks. The result is the kill matrix of clauses by mutants. A mutant meets all
    scenarios of its own gap, unless --across or --narrow say otherwise; those of clauses that it does
    not break look for what else it opens, on a third of their budget (the setting neighbour_share).

    --since reads the imports of scenarios, the catalog's rows and the target's list of mutants. What it
    cannot narrow down, such as a change of the service, of the harness or of the settings, selects
    everything. With --budget the mutants and clauses that are left out are named.

    \b
    overbooked prove
    overbooked prove SYS-03 --repeat 20
    overbooked prove SYS-03 --mutant SYS-03.1 --mutant SYS-03.2
    overbooked prove --across                # what else does each mutant open?
    overbooked prove --since origin/main     # what a branch has changed
    overbooked prove --narrow --since HEAD~1 --budget 10m
    overbooked prove --shard 2/8 --seed 7    # then: overbooked report RUN RUN ...
    overbooked prove --resume 3f9c
    """
    said = resolve_settings(config, **session_settings(options))
    if resume is not None:
        if gaps or theme or priority or mutants or reach or repeat > 1 or since or budget or shard != (1, 1):
            raise UsageError(
                "--resume proves what the interrupted proof was to prove; leave out other options"
            )
        proof = resume_proof(said, resume)
    else:
        request = ProofRequest(
            gaps=gaps,
            mutants=mutants,
            theme=theme,
            priority=priority,
            repeats=repeat,
            reach=reach or ProofScope.GAP,
            since=since,
            budget_s=budget,
            shard=shard,
        )
        proof = begin_proof(said, request)
    return prove(proof, as_json=as_json)


def prove(proof: Proof, *, as_json: bool) -> int:
    """Run the remaining trials, write the kill matrix, and return the exit code."""
    plan, settings, folder = proof.plan, proof.settings, proof.folder
    journal = Journal(folder.path / JOURNAL)
    catalog = settings.catalog()
    workers, fewer = workers_for(settings.stack.kind, settings.stack, settings.workers)
    started = time.monotonic()
    with open_display() as display:
        for line in proof.said:
            display.line(Text(line, style="dim"))
        if fewer:
            display.line(Text(fewer, style="dim"))
        display.line(Text(f"profile {settings.profile}   seed {plan.seed}   proof {plan.run}"))
        for name, why in proof.left_out.items():
            display.line(Text(f"  not proven    {name:<10} {why}", style="dim"))
        book = ProofListener(
            plan=plan,
            catalog=catalog,
            journal=journal,
            display=display,
            progress=Progress(workers, plan.weights),
            earlier=journal.read(),
            expected=expected(written(settings.scenarios, settings.root), catalog),
        )
        if proof.empty:
            return _nothing(proof, catalog, book, as_json=as_json)
        ended = run_session(plan, settings.scenarios, workers=workers, listener=book)
        matrix = _matrix(proof, catalog, book, duration_s=time.monotonic() - started)
        folder.write_text("matrix.json", matrix_json(matrix))
        folder.write_text("matrix.md", matrix_markdown(matrix))
        if book.refusal:
            raise book.refusal
        if ended.interrupted:
            raise Interrupted(folder.path, f"{proof.resume} resumes it")
        book.close()
        save(settings.reports, book.spent())
        display.line(matrix_table(matrix))
        if left := proof.about.get("not proven"):
            display.line(Text(f"not proven in this run: {left}"))
        display.line(Text(f"{folder.path}/"))
    if as_json:
        sys.stdout.write(matrix_json(matrix))
    return verdict_of(matrix, book.errors)


def _nothing(proof: Proof, catalog: Catalog, book: ProofListener, *, as_json: bool) -> ExitCode:
    """End a proof that has no trial: no verdict can have changed."""
    matrix = _matrix(proof, catalog, book, duration_s=0.0)
    proof.folder.write_text("matrix.json", matrix_json(matrix))
    book.display.line(Text("nothing to prove"))
    if as_json:
        sys.stdout.write(matrix_json(matrix))
    return ExitCode.SATISFIED


def _matrix(proof: Proof, catalog: Catalog, book: ProofListener, *, duration_s: float) -> KillMatrix:
    gaps = dict.fromkeys([*(clause.rpartition(".")[0] for clause in proof.clauses)])
    return KillMatrix.build(
        catalog,
        book.observations(),
        clauses=[clause.name for clause in catalog.clauses_of(gaps)],
        mutants=proof.mutants,
        asked=proof.clauses,
        healthy=proof.plan.variants[0].clauses,
        explained=also_opens(load_descriptor(proof.settings)),
        about={
            "run": proof.plan.run,
            "seed": proof.plan.seed,
            "profile": proof.settings.profile,
            "stack": book.kind,
            "versions": dict(book.versions),
            "repeat": proof.repeats,
            "workers": proof.settings.workers,
            "duration_s": round(duration_s, 1),
            "left out": dict(proof.left_out),
            **proof.about,
        },
    )


def verdict_of(matrix: KillMatrix, errors: Sequence[str]) -> ExitCode:
    """Return the exit code of a proof: 1 if a verdict is wrong, 3 if one is missing or undecided."""
    wrong = {Verdict.CLOSED, Verdict.NOT_COVERED}
    if matrix.false_alarms or any(wrong.intersection(cell.verdicts) for cell in matrix.missed):
        return ExitCode.OPEN
    return ExitCode.SATISFIED if matrix.proven and not errors else ExitCode.INCONCLUSIVE
