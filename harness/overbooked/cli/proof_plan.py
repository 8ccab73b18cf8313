"""Plans a proof, from the command line or from the folder of an interrupted one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from overbooked.catalog import Catalog, Mutant
from overbooked.catalog.selection import Selection
from overbooked.cli.options import ResolvedSettings, require_seed, selected
from overbooked.cli.trial_journal import JOURNAL, Journal
from overbooked.config import Settings
from overbooked.descriptor import Descriptor
from overbooked.errors import UsageError
from overbooked.reporting.run_folder import RunFolder
from overbooked.reporting.text import seconds
from overbooked.runs.durations import load, shipped
from overbooked.runs.git_changes import GitTree
from overbooked.runs.impact import Impact, Project
from overbooked.runs.mutants import available_mutants, require_mutant, sources
from overbooked.runs.plan import Plan
from overbooked.runs.planning import (
    ProofScope,
    deadline_of,
    drawn_seed,
    mutants_to_prove,
    proof_variants,
    with_kind,
)
from overbooked.runs.proof_selection import Costs, ProofPart, choose, named, shard_of
from overbooked.runs.session import PLAN_FILE
from overbooked.runs.stack_factory import load_descriptor, resolve_kind, workers_for
from overbooked.runs.written import expected, written

PROOF_FILE = "proof.json"


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """The options of a proof on the command line.

    Args:
        gaps: names of gaps and clauses; empty: all for which the target has mutants.
        mutants: names of mutants; empty: all of the gaps.
        theme: themes, separated by commas.
        priority: priorities.
        repeats: how many times each trial runs.
        reach: the clauses that are judged on a mutant.
        since: a git revision; prove only what changes since then may affect.
        budget_s: time budget of the proof, in seconds.
        shard: (i, n), from 1.
    """

    gaps: tuple[str, ...] = ()
    mutants: tuple[str, ...] = ()
    theme: str | None = None
    priority: str | None = None
    repeats: int = 1
    reach: ProofScope = ProofScope.GAP
    since: str | None = None
    budget_s: float | None = None
    shard: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Proof:
    """A planned proof.

    Args:
        plan: the plan of the session.
        settings: its settings.
        folder: the folder of the run.
        clauses: full names of the requested clauses; a shard may judge fewer on the healthy system.
        mutants: names of all mutants to kill, including those left out.
        left_out: the reasons why mutants are left out, by name.
        repeats: how many times each trial runs.
        said: lines for the console before the start.
        about: facts for the matrix about the proven part.
        resume: the command that resumes it.
    """

    plan: Plan
    settings: Settings
    folder: RunFolder
    clauses: Sequence[str]
    mutants: Sequence[str]
    left_out: Mapping[str, str]
    repeats: int
    said: Sequence[str]
    about: Mapping[str, Any]
    resume: str

    @property
    def empty(self) -> bool:
        """Whether there is nothing to prove."""
        return not any(variant.clauses for variant in self.plan.variants)

    def keep(self) -> None:
        """Write the data that a resumed proof needs in addition to the plan."""
        about = {
            "clauses": list(self.clauses),
            "mutants": list(self.mutants),
            "left_out": dict(self.left_out),
            "repeats": self.repeats,
            "about": dict(self.about),
        }
        self.folder.write_json(PROOF_FILE, about)


def begin_proof(said: ResolvedSettings, request: ProofRequest) -> Proof:
    """Plan a new proof and make its folder.

    Raises:
        UsageError: a name does not exist, the target lacks a named mutant, or git cannot list the changes.
    """
    settings = said.settings
    catalog = settings.catalog()
    descriptor = load_descriptor(settings)
    named_mutants = [catalog.mutant(name) for name in request.mutants]
    for mutant in named_mutants:
        require_mutant(mutant, descriptor)
    names = list(request.gaps) or list(dict.fromkeys(mutant.gap for mutant in named_mutants))
    have = available_mutants(descriptor)
    if not (names or request.theme or request.priority):
        # Without a selection, prove the gaps for which the target has mutants; ignore mutants of catalogs
        # that are not loaded.
        known = sorted(have.intersection(catalog.mutants))
        names = list(dict.fromkeys(name.rpartition(".")[0] for name in known))
    selection = selected(catalog, settings, names, request.theme, request.priority)
    wanted = named_mutants or [mutant for gap in selection.gaps for mutant in gap.mutants]
    chosen, left_out = mutants_to_prove(selection, wanted, have)
    choice = resolve_kind(settings, descriptor)
    workers, _ = workers_for(choice.kind, settings.stack, settings.workers)
    functions = expected(written(settings.scenarios, settings.root), catalog)
    costs = Costs(functions, shipped(settings.scenarios), workers)
    part = _part(settings, said, request, selection, chosen, costs, descriptor, catalog)
    require_seed(settings, request.shard)
    selection = replace(selection, clauses=part.clauses)
    folder = RunFolder.create(settings.reports)
    plan = Plan(
        run=folder.run,
        directory=folder.path,
        root=settings.root,
        start=Path.cwd(),
        settings=with_kind(said.overrides, choice.kind),
        config=said.config,
        seed=settings.seed if settings.seed is not None else drawn_seed(),
        variants=proof_variants(
            settings,
            selection,
            [mutant for mutant in chosen if mutant.name in part.mutants],
            repeats=request.repeats,
            reach=request.reach,
            healthy=part.healthy,
        ),
        plain=False,
        scenario_timeout_s=settings.scenario_timeout_s,
        deadline_at=deadline_of(settings),
        weights=load(settings.reports, settings.scenarios),
    )
    whole = request.since is None and request.budget_s is None and request.shard == (1, 1)
    proof = Proof(
        plan,
        settings,
        folder,
        part.clauses,
        [mutant.name for mutant in wanted] if whole else list(part.mutants),
        left_out,
        request.repeats,
        [choice.why, *part.sentences],
        part.about,
        _resume(said, folder.run),
    )
    proof.keep()
    return proof


def resume_proof(said: ResolvedSettings, run: str) -> Proof:
    """Return an interrupted proof without the trials that have already run.

    Raises:
        UsageError: the run is not a proof, or its files are damaged.
    """
    folder = RunFolder(said.settings.reports / run)
    try:
        plan = Plan.read(folder.path / PLAN_FILE)
        about = json.loads((folder.path / PROOF_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--resume: {folder.path} is not a proof that can be resumed: {error}") from error
    settings = Settings.load({**plan.settings, **said.overrides}, config=plan.config, start=plan.start)
    done = frozenset(
        result.key for result in Journal(folder.path / JOURNAL).read() if not result.from_controller
    )
    plan = replace(plan, done=done, deadline_at=deadline_of(settings))
    return Proof(
        plan,
        settings,
        folder,
        about.get("clauses", plan.variants[0].clauses),
        about["mutants"],
        about["left_out"],
        about["repeats"],
        [f"resumed: {len(done)} trials ran before"],
        about.get("about", {}),
        _resume(said, folder.run),
    )


def _resume(said: ResolvedSettings, run: str) -> str:
    return shlex.join(["overbooked", "prove", "--resume", run, *said.config_option])


def _part(
    settings: Settings,
    said: ResolvedSettings,
    request: ProofRequest,
    selection: Selection,
    mutants: Sequence[Mutant],
    costs: Costs,
    descriptor: Descriptor,
    catalog: Catalog,
) -> ProofPart:
    git = GitTree(settings.root)
    impact, commit = None, ""
    if request.since is not None:
        commit = git.commit(request.since)
        impact = _project(settings, said, descriptor, catalog).impact(git, commit)
    head, turn = git.head() if request.budget_s is not None else ("", 0)
    part = choose(
        selection.clauses,
        mutants,
        costs,
        impact=impact,
        budget_s=request.budget_s,
        # A shallow clone cannot count commits, so the commit id selects a sample, not in rotation.
        turn=turn if turn is not None else int(head[:12], 16),
    )
    index, shards = request.shard
    sentences = [*_since(request, impact, commit), *_extent(request, part, mutants, selection, head)]
    about: dict[str, Any] = {}
    if request.since is not None:
        about["since"] = commit
    if request.budget_s is not None:
        about |= {"budget_s": request.budget_s, "commit": head}
    if part.left:
        about["not proven"] = ", ".join(part.left)
    if shards > 1:
        part = shard_of(part, mutants, costs, index, shards)
        sentences.append(
            f"shard {index}/{shards}: {len(part.healthy)} clauses on the healthy system, {len(part.mutants)} "
            "mutants; merge the shards with `overbooked report RUN RUN ...`"
        )
        about["shard"] = f"{index}/{shards}"
    return replace(part, sentences=tuple(sentences), about=about)


def _since(request: ProofRequest, impact: Impact | None, commit: str) -> list[str]:
    if impact is None:
        return []
    files = f"{len(impact.changed)} {'file' if len(impact.changed) == 1 else 'files'} changed"
    if impact.everything:
        what = f"everything may be affected: {impact.everything}"
    elif impact.nothing:
        what = "no verdict rests on them" if impact.changed else "nothing to prove"
    else:
        what = f"affected: {len(impact.clauses)} clauses, {len(impact.mutants)} mutants"
    return [f"since {request.since} ({commit[:12]}): {files}; {what}"]


def _extent(
    request: ProofRequest, part: ProofPart, mutants: Sequence[Mutant], selection: Selection, head: str
) -> list[str]:
    """Return a sentence about what is proven and what is not."""
    if request.since is None and request.budget_s is None:
        return []
    within = (
        f" within {seconds(request.budget_s)}, sample of commit {head[:12]}"
        if request.budget_s is not None
        else ""
    )
    left = f"; not proven: {named(part.left)}" if part.left else ""
    return [
        f"proves {len(part.mutants)} of {len(mutants)} mutants and {len(part.healthy)} of "
        f"{len(selection.clauses)} clauses{within}{left}"
    ]


def _project(settings: Settings, said: ResolvedSettings, descriptor: Descriptor, catalog: Catalog) -> Project:
    files = [path for path in (settings.target.descriptor, said.config, *settings.files) if path is not None]
    commands = [*(part for service in descriptor.services for part in service.command)]
    if descriptor.mutants is not None:
        commands += [*descriptor.mutants.serve, *descriptor.mutants.list]
    return Project(
        root=settings.root,
        scenarios=settings.scenarios,
        catalog=catalog,
        catalogs=settings.catalogs,
        sources=sources(descriptor),
        settings=files,
        adopted=(descriptor.adapter.partition(":")[0], *commands),
    )
