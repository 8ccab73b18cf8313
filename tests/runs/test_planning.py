"""The clauses that a run and a proof ask of each variant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from overbooked.catalog.model import Means
from overbooked.config import Settings
from overbooked.errors import ConfigError
from overbooked.profiles import ProfileTable, load_profile
from overbooked.runs.plan import CANARY, HEALTHY, Trial
from overbooked.runs.planning import (
    ProofScope,
    as_overrides,
    canary_variant,
    mutants_to_prove,
    plain_plan,
    proof_variants,
    run_variants,
    with_kind,
)

SETTINGS = Settings()
CATALOG = SETTINGS.catalog()
RACES = SETTINGS.active_profile(CATALOG).select([CATALOG.gap("SYS-03")])


def test_a_run_judges_its_own_variant_and_a_canary() -> None:
    own, canary = run_variants(SETTINGS, CATALOG, RACES, None)
    assert (own.name, own.mutant, own.clauses) == (HEALTHY, None, RACES.clauses)
    assert (canary.name, canary.mutant, canary.replicas) == (CANARY, "SYS-03.1", 1)
    assert canary.first_only
    assert canary.small


def test_a_run_with_a_mutant_is_judged_under_its_name() -> None:
    own, _ = run_variants(SETTINGS, CATALOG, RACES, CATALOG.mutant("SYS-03.2"))
    assert (own.name, own.mutant) == ("SYS-03.2", "SYS-03.2")


def test_the_canary_can_be_switched_off() -> None:
    assert canary_variant(Settings(canary=""), CATALOG) is None


def test_a_canary_that_breaks_nothing_asked_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"LIV-6\.3\.1 breaks LIV-6\.3\.b"):
        canary_variant(Settings(canary="LIV-6.3.1"), CATALOG)


def test_mutants_that_cannot_be_met_are_left_out_with_the_reason() -> None:
    wanted = CATALOG.gap("SYS-03").mutants
    profile = load_profile("bursts", {"bursts": ProfileTable(extends="quick", means=(Means.BURSTS,))})
    bursts = profile.select([CATALOG.gap("SYS-03")])
    met, left_out = mutants_to_prove(bursts, wanted, have={"SYS-03.1", "SYS-03.2", "SYS-03.4"})
    assert [mutant.name for mutant in met] == ["SYS-03.1", "SYS-03.2"]
    assert left_out["SYS-03.3"] == "the target does not have it"
    assert "does not ask for" in left_out["SYS-03.4"]


def test_a_mutant_meets_its_own_gap_or_all_of_them() -> None:
    both = SETTINGS.active_profile(CATALOG).select([CATALOG.gap("SYS-02"), CATALOG.gap("SYS-03")])
    mutant = CATALOG.mutant("SYS-03.1")
    _, own = proof_variants(SETTINGS, both, [mutant], repeats=3, reach=ProofScope.GAP)
    _, every = proof_variants(SETTINGS, both, [mutant], repeats=3, reach=ProofScope.ALL)
    assert set(own.clauses) == set(RACES.clauses)
    assert every.clauses == both.clauses
    assert own.repeats == 3
    _, broken = proof_variants(
        SETTINGS, both, [CATALOG.mutant("SYS-03.5")], repeats=1, reach=ProofScope.BROKEN
    )
    assert broken.clauses == ("SYS-03.b", "SYS-03.d", "SYS-03.e")


def test_the_plan_of_plain_pytest_reads_the_settings_and_has_no_canary(tmp_path: Path) -> None:
    (tmp_path / "overbooked.toml").write_text("seed = 12\nscenario_timeout_s = 9\n")
    plan = plain_plan(tmp_path)
    assert (plan.seed, plan.scenario_timeout_s) == (12, 9)
    assert [variant.name for variant in plan.variants] == [HEALTHY]


def test_settings_that_say_no_time_for_a_scenario_leave_it_to_the_profile(tmp_path: Path) -> None:
    assert plain_plan(tmp_path).scenario_timeout_s is None


def test_a_seed_nobody_chose_is_the_one_drawn(tmp_path: Path) -> None:
    assert plain_plan(tmp_path, seed=99).seed == 99


def test_what_was_not_said_overrides_nothing() -> None:
    said = as_overrides({"seed": 1, "profile": None, "stack": {"kind": None, "replicas": None}})
    assert said == {"seed": 1}
    assert with_kind(said, "embedded") == {"seed": 1, "stack": {"kind": "embedded"}}


def test_a_scenario_a_mutant_does_not_break_is_a_neighbour_in_a_proof() -> None:
    healthy, mutant = proof_variants(
        SETTINGS, RACES, [CATALOG.mutant("SYS-03.5")], repeats=1, reach=ProofScope.GAP
    )
    plan = replace(plain_plan(Path()), variants=(healthy, mutant))
    assert plan.checks_side_effects_only(Trial("SYS-03.5"), ["SYS-03.c"])
    assert not plan.checks_side_effects_only(Trial("SYS-03.5"), ["SYS-03.c", "SYS-03.d"])
    assert not plan.checks_side_effects_only(Trial(HEALTHY), ["SYS-03.c"])
    assert plan.checks_side_effects_only(Trial("SYS-03.5"), ["SYS-03.d"], opened={"SYS-03.d"})
    assert not plan.checks_side_effects_only(Trial("SYS-03.5"), ["SYS-03.d", "SYS-03.e"], opened={"SYS-03.d"})
