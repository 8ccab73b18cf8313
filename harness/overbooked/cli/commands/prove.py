"""`overbooked prove`: every scenario on the healthy system and on each of its mutants."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from overbooked.catalog import Catalog
from overbooked.cli.display import displayed
from overbooked.cli.interrupted import Interrupted
from overbooked.cli.options import (
    Said,
    selected,
    selection_options,
    session_options,
    session_settings,
    settings_of,
)
from overbooked.cli.progress import Progress
from overbooked.cli.prove_listener import JOURNAL, Journal, ProofBook
from overbooked.config import Settings
from overbooked.errors import ExitCode, UsageError
from overbooked.reporting.kill_matrix import matrix_json, matrix_markdown, matrix_table
from overbooked.reporting.run_folder import RunFolder
from overbooked.runs.durations import known_weights, remember_weights
from overbooked.runs.mutants import explanations, repertoire, require
from overbooked.runs.plan import Plan
from overbooked.runs.planning import (
    Reach,
    deadline_of,
    drawn_seed,
    mutants_to_prove,
    proof_variants,
    with_kind,
)
from overbooked.runs.session import PLAN_FILE, hold
from overbooked.runs.stack_factory import descriptor_of, settled, workers_for
from overbooked.runs.written import expected, written
from overbooked.verdicts.kill_matrix import KillMatrix
from overbooked.verdicts.verdict import Verdict

PROOF_FILE = "proof.json"


@click.command(
    epilog="Exit codes: 0 every mutant killed and no false alarm, 1 a mutant survived or a false alarm, "
    "2 bad usage, 3 something was inconclusive or did not run, 130 interrupted."
)
@selection_options
@session_options
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, help="How often each trial is held.")
@click.option("--mutant", "mutants", multiple=True, metavar="ID", help="Only this mutant; may be repeated.")
@click.option(
    "--across",
    "reach",
    flag_value=Reach.ALL,
    type=Reach,
    help="Each mutant meets the scenarios of every selected gap: what else does it open?",
)
@click.option(
    "--narrow",
    "reach",
    flag_value=Reach.BROKEN,
    type=Reach,
    help="Each mutant meets only the scenarios of the clauses it breaks; quicker.",
)
@click.option("--resume", metavar="RUN", help="Go on with a proof that was interrupted.")
def command(
    *,
    gaps: tuple[str, ...],
    theme: str | None,
    priority: str | None,
    repeat: int,
    mutants: tuple[str, ...],
    reach: Reach | None,
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

    \b
    overbooked prove
    overbooked prove SYS-03 --repeat 20
    overbooked prove SYS-03 --mutant SYS-03.1 --mutant SYS-03.2
    overbooked prove --across                # what else does each mutant open?
    overbooked prove --resume 3f9c
    """
    said = settings_of(config, **session_settings(options))
    if resume is not None:
        if gaps or theme or priority or mutants or reach or repeat > 1:
            raise UsageError(
                "--resume goes on with the proof as it was begun; say nothing else of what to prove"
            )
        proof = _resumed(said, resume)
    else:
        proof = _begun(
            said, gaps, mutants, theme=theme, priority=priority, repeats=repeat, reach=reach or Reach.GAP
        )
    return prove(proof, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Proof:
    """What is to be proven, and where.

    Args:
        plan: which scenario meets which variant.
        settings: that hold for it.
        folder: of the run.
        mutants: names of all that ought to be killed, those left out included.
        left_out: why some meet no scenario.
        repeats: how often each trial is held.
        said: what is worth a line before it begins.
    """

    plan: Plan
    settings: Settings
    folder: RunFolder
    mutants: Sequence[str]
    left_out: Mapping[str, str]
    repeats: int
    said: str

    def keep(self) -> None:
        """Write down what a resumed run has to know beside the plan."""
        about = {"mutants": list(self.mutants), "left_out": dict(self.left_out), "repeats": self.repeats}
        self.folder.write_json(PROOF_FILE, about)


def _begun(
    said: Said,
    names: Sequence[str],
    mutants: Sequence[str],
    *,
    theme: str | None,
    priority: str | None,
    repeats: int,
    reach: Reach,
) -> Proof:
    settings = said.settings
    catalog = settings.catalog()
    descriptor = descriptor_of(settings)
    named = [catalog.mutant(name) for name in mutants]
    for mutant in named:
        require(mutant, descriptor)
    names = list(names) or list(dict.fromkeys(mutant.gap for mutant in named))
    have = repertoire(descriptor)
    if not (names or theme or priority):
        # Asked for everything, it proves the gaps that the target has mutants of; there is no more to prove.
        # It may have some of a catalog that is not at hand.
        known = sorted(have.intersection(catalog.mutants))
        names = list(dict.fromkeys(name.rpartition(".")[0] for name in known))
    selection = selected(catalog, settings, names, theme, priority)
    wanted = named or [mutant for gap in selection.gaps for mutant in gap.mutants]
    chosen, left_out = mutants_to_prove(selection, wanted, have)
    choice = settled(settings, descriptor)
    folder = RunFolder.create(settings.reports)
    plan = Plan(
        run=folder.run,
        directory=folder.path,
        root=settings.root,
        start=Path.cwd(),
        settings=with_kind(said.overrides, choice.kind),
        config=said.config,
        seed=settings.seed if settings.seed is not None else drawn_seed(),
        variants=proof_variants(settings, selection, chosen, repeats=repeats, reach=reach),
        plain=False,
        scenario_timeout_s=settings.scenario_timeout_s,
        deadline_at=deadline_of(settings),
        weights=known_weights(settings.reports, settings.scenarios),
    )
    proof = Proof(plan, settings, folder, [m.name for m in wanted], left_out, repeats, choice.why)
    proof.keep()
    return proof


def _resumed(said: Said, run: str) -> Proof:
    folder = RunFolder(said.settings.reports / run)
    try:
        plan = Plan.read(folder.path / PLAN_FILE)
        about = json.loads((folder.path / PROOF_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--resume: {folder.path} is no proof that can be resumed: {error}") from error
    settings = Settings.load({**plan.settings, **said.overrides}, config=plan.config, start=plan.start)
    done = frozenset(result.key for result in Journal(folder.path / JOURNAL).read() if not result.provisional)
    plan = replace(plan, done=done, deadline_at=deadline_of(settings))
    line = f"resumed: {len(done)} trials were held before"
    return Proof(plan, settings, folder, about["mutants"], about["left_out"], about["repeats"], line)


def prove(proof: Proof, *, as_json: bool) -> int:
    """Hold every trial that is left and say what they prove; returns the exit code."""
    plan, settings, folder = proof.plan, proof.settings, proof.folder
    journal = Journal(folder.path / JOURNAL)
    catalog = settings.catalog()
    workers, fewer = workers_for(settings.stack.kind, settings.stack, settings.workers)
    started = time.monotonic()
    with displayed() as display:
        display.line(Text(proof.said, style="dim"))
        if fewer:
            display.line(Text(fewer, style="dim"))
        display.line(Text(f"profile {settings.profile}   seed {plan.seed}   proof {plan.run}"))
        for name, why in proof.left_out.items():
            display.line(Text(f"  not proven    {name:<10} {why}", style="dim"))
        book = ProofBook(
            plan=plan,
            catalog=catalog,
            journal=journal,
            display=display,
            progress=Progress(workers, plan.weights),
            earlier=journal.read(),
            expected=expected(written(settings.scenarios, settings.root), catalog),
        )
        ended = hold(plan, settings.scenarios, workers=workers, listener=book)
        matrix = _matrix(proof, catalog, book, duration_s=time.monotonic() - started)
        folder.write_text("matrix.json", matrix_json(matrix))
        folder.write_text("matrix.md", matrix_markdown(matrix))
        if book.refusal:
            raise book.refusal
        if ended.interrupted:
            raise Interrupted(folder.path, f"overbooked prove --resume {plan.run} goes on")
        book.close()
        remember_weights(settings.reports, book.spent())
        display.line(matrix_table(matrix))
        display.line(Text(f"{folder.path}/"))
    if as_json:
        sys.stdout.write(matrix_json(matrix))
    return verdict_of(matrix, book.errors)


def _matrix(proof: Proof, catalog: Catalog, book: ProofBook, *, duration_s: float) -> KillMatrix:
    asked = proof.plan.variants[0].clauses
    gaps = dict.fromkeys([*(clause.rpartition(".")[0] for clause in asked)])
    return KillMatrix.build(
        catalog,
        book.observations(),
        clauses=[clause.name for clause in catalog.clauses_of(gaps)],
        mutants=proof.mutants,
        asked=asked,
        explained=explanations(descriptor_of(proof.settings)),
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
        },
    )


def verdict_of(matrix: KillMatrix, errors: Sequence[str]) -> ExitCode:
    """The exit code of a proof: 1 for a wrong verdict, 3 for one that is none."""
    wrong = {Verdict.CLOSED, Verdict.NOT_COVERED}
    if matrix.false_alarms or any(wrong.intersection(cell.verdicts) for cell in matrix.missed):
        return ExitCode.OPEN
    return ExitCode.SATISFIED if matrix.proven and not errors else ExitCode.INCONCLUSIVE
