"""Makes plans: for an ordinary run, for a proof, and for a plain `pytest scenarios`."""

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
    """Return a random seed for a run without one."""
    return secrets.randbits(SEED_BITS)


def plain_plan(root: Path, seed: int | None = None) -> Plan:
    """Return the plan of `pytest scenarios`: the healthy system, the clauses of the profile, no canary.

    Args:
        root: the folder of overbooked.toml.
        seed: used if the settings have none; the same for all workers.

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
    """Return the run's own variant and its canary.

    Raises:
        ConfigError: the canary breaks no clause that this profile requests.
    """
    name = mutant.name if mutant else HEALTHY
    own = Variant(name, mutant.name if mutant else None, selection.clauses, settings.stack.replicas)
    canary = canary_variant(settings, catalog)
    return (own, canary) if canary else (own,)


def canary_variant(settings: Settings, catalog: Catalog) -> Variant | None:
    """Return the variant of the mutant that every run must detect; None if switched off.

    Raises:
        UnknownGap: there is no such mutant.
        ConfigError: it breaks no clause that this profile requests.
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


class ProofScope(StrEnum):
    """The clauses that are judged on a mutant in a proof."""

    BROKEN = "those it breaks"
    GAP = "those of its own gap"
    ALL = "those of every gap selected"

    def includes(self, mutant: Mutant, clause: str) -> bool:
        """Return whether a clause (full name) is judged on a mutant."""
        if self is ProofScope.BROKEN:
            return clause in mutant.breaks
        return self is ProofScope.ALL or clause.startswith(f"{mutant.gap}.")


def proof_variants(
    settings: Settings,
    selection: Selection,
    mutants: Sequence[Mutant],
    *,
    repeats: int,
    reach: ProofScope,
    healthy: Sequence[str] | None = None,
) -> tuple[Variant, ...]:
    """Return the variants of a proof: the healthy system and one per mutant.

    Args:
        settings: for the shape of the stacks.
        selection: gaps and clauses to prove.
        mutants: the mutants of the proof.
        repeats: how often each scenario runs on each variant.
        reach: the clauses that are judged on a mutant.
        healthy: the clauses that are judged on the healthy system; None: all selected ones.
    """
    replicas = settings.stack.replicas
    clauses = selection.clauses if healthy is None else tuple(healthy)
    variants = [Variant(HEALTHY, None, clauses, replicas, repeats)]
    for mutant in mutants:
        met = tuple(clause for clause in selection.clauses if reach.includes(mutant, clause))
        variants.append(
            Variant(mutant.name, mutant.name, met, replicas, repeats, breaks=tuple(mutant.breaks))
        )
    return tuple(variants)


def mutants_to_prove(
    selection: Selection, wanted: Sequence[Mutant], have: Collection[str]
) -> tuple[tuple[Mutant, ...], Mapping[str, str]]:
    """Return the mutants that a requested clause can detect, and why the others are left out.

    Args:
        selection: gaps and clauses to prove.
        wanted: the mutants to prove.
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
    """Return the overrides with the resolved kind of stack, so that no worker resolves it again."""
    return {**overrides, "stack": {**overrides.get("stack", {}), "kind": kind}}


def deadline_of(settings: Settings) -> float | None:
    """Return the deadline of a run that begins now, in seconds since the epoch; None: no deadline."""
    return time.time() + settings.deadline_s if settings.deadline_s else None


def as_overrides(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings from the command line without unset values."""
    said: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            if inner := as_overrides(value):
                said[key] = inner
        elif value is not None:
            said[key] = str(value) if isinstance(value, Path) else value
    return said
