"""Plans: of an ordinary run, of a proof, and of a plain `pytest scenarios`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from overbooked.catalog import Catalog, Mutant
from overbooked.catalog.selection import Selection
from overbooked.config import Settings
from overbooked.errors import ConfigError
from overbooked.runs.plan import CANARY, HEALTHY, Plan, Variant

SEED_BITS = 32


def drawn_seed() -> int:
    """A seed for a run that was given none."""
    return secrets.randbits(SEED_BITS)


def plain_plan(root: Path, seed: int | None = None) -> Plan:
    """The plan of `pytest scenarios`: the healthy system, the clauses of the profile, no canary.

    Args:
        root: where to look for overbooked.toml.
        seed: what the settings leave to chance, the same for all workers.

    Raises:
        ConfigError: the settings are wrong.
    """
    settings = Settings.load(start=root)
    catalog = settings.catalog()
    selection = settings.active_profile(catalog).select(catalog.gaps)
    return Plan(
        run="pytest",
        directory=None,
        root=root,
        start=root,
        settings={},
        seed=settings.seed if settings.seed is not None else seed if seed is not None else drawn_seed(),
        variants=(Variant(HEALTHY, None, selection.clauses, settings.stack.replicas),),
        scenario_timeout_s=settings.scenario_timeout_s,
    )


def run_variants(
    settings: Settings, catalog: Catalog, selection: Selection, mutant: Mutant | None
) -> tuple[Variant, ...]:
    """The run's own variant and its canary.

    Raises:
        ConfigError: the canary breaks no clause that this profile asks for.
    """
    name = mutant.name if mutant else HEALTHY
    own = Variant(name, mutant.name if mutant else None, selection.clauses, settings.stack.replicas)
    canary = canary_variant(settings, catalog)
    return (own, canary) if canary else (own,)


def canary_variant(settings: Settings, catalog: Catalog) -> Variant | None:
    """The mutant that every run must find open, on a small stack of its own; None: switched off.

    Raises:
        UnknownGap: there is no such mutant.
        ConfigError: it breaks no clause that this profile asks for.
    """
    if not settings.canary:
        return None
    mutant = catalog.mutant(settings.canary)
    asked = settings.active_profile(catalog).select([catalog.gap_of(mutant.name)]).clauses
    clauses = tuple(clause for clause in asked if clause in mutant.breaks)
    if not clauses:
        raise ConfigError(
            f"canary: {mutant.name} breaks {', '.join(mutant.breaks)}, and profile {settings.profile} "
            "asks for none of them; name another mutant"
        )
    return Variant(CANARY, mutant.name, clauses, replicas=1, first_only=True, small=True)


class Reach(StrEnum):
    """Which of the clauses asked a mutant meets in a proof."""

    BROKEN = "those it breaks"
    GAP = "those of its own gap"
    ALL = "those of every gap selected"

    def meets(self, mutant: Mutant, clause: str) -> bool:
        """Whether a mutant meets a clause (full name)."""
        if self is Reach.BROKEN:
            return clause in mutant.breaks
        return self is Reach.ALL or clause.startswith(f"{mutant.gap}.")


def proof_variants(
    settings: Settings,
    selection: Selection,
    mutants: Sequence[Mutant],
    *,
    repeats: int,
    reach: Reach,
) -> tuple[Variant, ...]:
    """The healthy system and each mutant that breaks a clause asked.

    Args:
        settings: for the shape of the stacks.
        selection: gaps and clauses to prove.
        mutants: those to prove them with.
        repeats: how often each scenario meets each variant.
        reach: which clauses a mutant meets.
    """
    replicas = settings.stack.replicas
    variants = [Variant(HEALTHY, None, selection.clauses, replicas, repeats)]
    for mutant in mutants:
        met = tuple(clause for clause in selection.clauses if reach.meets(mutant, clause))
        variants.append(
            Variant(mutant.name, mutant.name, met, replicas, repeats, breaks=tuple(mutant.breaks))
        )
    return tuple(variants)


def mutants_to_prove(
    selection: Selection, wanted: Sequence[Mutant], have: Collection[str]
) -> tuple[tuple[Mutant, ...], Mapping[str, str]]:
    """Which mutants can be met by a clause asked, and why the others are left out.

    Args:
        selection: gaps and clauses to prove.
        wanted: those that ought to be proven.
        have: names of those that the target can run.
    """
    asked = set(selection.clauses)
    met: list[Mutant] = []
    left_out: dict[str, str] = {}
    for mutant in wanted:
        if not asked.intersection(mutant.breaks):
            left_out[mutant.name] = (
                f"breaks only {', '.join(mutant.breaks)}, which this profile does not ask for"
            )
        elif mutant.name not in have:
            left_out[mutant.name] = "the target does not have it"
        else:
            met.append(mutant)
    return tuple(met), left_out


def with_kind(overrides: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The overrides with the kind of stack settled, so that no worker decides it anew."""
    return {**overrides, "stack": {**overrides.get("stack", {}), "kind": kind}}


def deadline_of(settings: Settings) -> float | None:
    """When a run that begins now must have ended, seconds since the epoch."""
    return time.time() + settings.deadline_s if settings.deadline_s else None


def as_overrides(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings said on the command line, without what was left unsaid."""
    said: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            if inner := as_overrides(value):
                said[key] = inner
        elif value is not None:
            said[key] = str(value) if isinstance(value, Path) else value
    return said
