from __future__ import annotations

import pytest
from pydantic import ValidationError

from overbooked.catalog import Catalog, Means
from overbooked.errors import ConfigError, UnknownGap
from overbooked.profiles import BUNDLED, BudgetTable, ProfileTable, load_profile

SIX = ("SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-28", "SYS-R5")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


def table(**said: object) -> ProfileTable:
    return ProfileTable.model_validate(said)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_profile_is_whole_and_names_real_gaps(name, catalog):
    profile = load_profile(name)
    profile.check(catalog)
    assert profile.summary
    assert profile.budget.bursts == (2, 8, 50)
    assert profile.budget.burst == 50


@pytest.mark.parametrize("name", BUNDLED)
def test_what_is_shown_by_interleavings_is_asked(name, catalog):
    selection = load_profile(name).select(catalog.gaps)
    for clause in catalog.clauses.values():
        if set(clause.by) == {Means.INTERLEAVINGS}:
            assert clause.name in selection.clauses


def test_quick_asks_every_clause_of_the_six_revenue_gaps(catalog):
    selection = load_profile("quick").select(catalog.select(SIX))
    assert list(selection.clauses) == [c.name for gap in selection.gaps for c in gap.clauses]
    assert len(selection.clauses) == 35


def test_a_night_has_time_for_every_fault_at_every_point():
    quick, nightly = load_profile("quick").budget, load_profile("nightly").budget
    assert quick.scenario_s == 120
    assert nightly.scenario_s > 3600
    assert nightly.faults > 10 * quick.faults


def test_every_clause_is_asked_or_has_a_reason(catalog):
    for name in BUNDLED:
        selection = load_profile(name).select(catalog.gaps)
        assert set(selection.clauses) | set(selection.not_asked) == set(catalog.clauses)
        assert not set(selection.clauses) & set(selection.not_asked)
        assert all(selection.not_asked.values())


def test_a_clause_is_asked_only_when_all_its_means_are(catalog):
    clause = catalog.clause("SYS-25.d")
    assert set(clause.by) == {Means.BROWSER, Means.TOXICS}
    assert "does not ask for browser" in load_profile("quick").asks(clause)


def test_each_profile_asks_at_least_what_the_smaller_one_asks(catalog):
    asked = [set(load_profile(name).select(catalog.gaps).clauses) for name in BUNDLED]
    assert asked[0] <= asked[1] <= asked[2]


@pytest.mark.parametrize("amount", ["rounds", "examples", "moments", "records"])
def test_each_profile_spends_at_least_what_the_smaller_one_spends(amount):
    spent = [getattr(load_profile(name).budget, amount) for name in BUNDLED]
    assert spent == sorted(spent)


def test_of_a_gap_whose_clause_was_named_only_that_one_is_asked(catalog):
    gaps = catalog.select(["SYS-03.c", "SYS-02"])
    selection = load_profile("quick").select(gaps, only={"SYS-03.c"})
    assert [name for name in selection.clauses if name.startswith("SYS-03")] == ["SYS-03.c"]
    assert selection.not_asked["SYS-03.d"] == "not among the clauses named"
    assert "SYS-02.a" in selection.clauses
    assert selection.narrowed


def test_naming_a_clause_does_not_make_the_profile_ask_for_it(catalog):
    selection = load_profile("quick").select(catalog.select(["LIV-6.3.a"]), only={"LIV-6.3.a"})
    assert selection.clauses == ()
    assert "browser" in selection.not_asked["LIV-6.3.a"]


# -- of one's own --------------------------------------------------------------------------------


def test_a_table_with_a_bundled_name_changes_that_profile():
    quick = load_profile("quick", {"quick": table(budget={"rounds": 3})})
    assert quick.budget.rounds == 3
    assert quick.budget.examples == load_profile("quick").budget.examples
    ci = load_profile("ci", {"quick": table(budget={"growth": 7})})
    assert ci.budget.growth == 7  # ci extends quick


def test_a_profile_of_ones_own_extends_another():
    own = {"mine": table(extends="nightly", means=["journey"], not_asked={"load": "no machine for it"})}
    mine = load_profile("mine", own)
    assert mine.means == {Means.JOURNEY}
    assert mine.budget == load_profile("nightly").budget
    assert mine.not_asked[Means.LOAD] == "no machine for it"


def test_a_reason_for_means_that_are_asked_is_dropped():
    assert Means.LOAD not in load_profile("nightly").not_asked


def test_a_bundled_profile_may_be_made_to_extend_one_of_ones_own():
    own = {"small": table(extends="quick", budget={"moments": 1}), "ci": table(extends="small")}
    assert load_profile("ci", own).means == load_profile("quick").means


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({}, "there is no profile 'mine'; there are quick, ci, nightly"),
        ({"mine": table(extends="yours"), "yours": table(extends="mine")}, "circular: mine -> yours -> mine"),
        ({"mine": table()}, "profiles.mine.means: expected the means"),
        ({"mine": table(means=["journey"], budget={"rounds": 1})}, "expected races, bursts, examples"),
    ],
)
def test_a_profile_that_is_none_is_refused(own, message):
    with pytest.raises(ConfigError) as raised:
        load_profile("mine", own)
    assert message in str(raised.value)


# -- budgets -------------------------------------------------------------------------------------


def test_a_clause_outranks_its_gap_and_the_gap_the_profile():
    said = {"SYS-03": {"rounds": 40, "moments": 9}, "SYS-03.c": {"rounds": 5}}
    profile = load_profile("quick", {"quick": table(budgets=said)})
    assert profile.budget_for(["SYS-03.c"]).rounds == 5
    assert profile.budget_for(["SYS-03.c"]).moments == 9
    assert profile.budget_for(["SYS-03.d"]).rounds == 40
    assert profile.budget_for(["SYS-04.e"]) == profile.budget


def test_a_scenario_of_several_clauses_gets_the_larger_amount():
    said = {"SYS-03.c": {"rounds": 5}, "SYS-03.e": {"rounds": 70, "bursts": [2, 80]}}
    profile = load_profile("quick", {"quick": table(budgets=said)})
    budget = profile.budget_for(["SYS-03.c", "SYS-03.e"])
    assert (budget.rounds, budget.burst) == (70, 80)


def test_a_scenario_bound_to_nothing_gets_the_plain_budget():
    profile = load_profile("quick")
    assert profile.budget_for([]) == profile.budget


def test_a_gap_with_a_dot_in_its_id_has_a_budget():
    profile = load_profile("quick", {"quick": table(budgets={"LIV-4.1": {"rounds": 2}})})
    assert profile.budget_for(["LIV-4.1.a"]).rounds == 2


def test_a_budget_for_an_unknown_clause_is_refused(catalog):
    profile = load_profile("quick", {"quick": table(budgets={"SYS-03.z": {"rounds": 2}})})
    with pytest.raises(UnknownGap, match=r"SYS-03\.z"):
        profile.check(catalog)


@pytest.mark.parametrize("amounts", [{"rounds": 0}, {"bursts": []}, {"bursts": [1]}, {"load_rate": 0}])
def test_an_amount_that_exercises_nothing_is_refused(amounts):
    with pytest.raises(ValidationError):
        BudgetTable(**amounts)


def test_a_share_of_a_budget_is_fewer_of_what_is_counted_and_never_none() -> None:
    whole = load_profile("quick").budget
    third = whole.shared(1 / 3)
    assert (third.rounds, third.moments) == (whole.rounds // 3, whole.moments // 3)
    assert (third.bursts, third.growth, third.load_rate) == (whole.bursts, whole.growth, whole.load_rate)
    assert whole.shared(0.001).examples == 1
