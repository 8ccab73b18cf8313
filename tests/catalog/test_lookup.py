from __future__ import annotations

import pytest

from overbooked.catalog import Catalog, Priority
from overbooked.catalog.catalog import priorities_of
from overbooked.errors import ExitCode, UnknownGap


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


def test_names_are_found_in_any_case(catalog):
    assert catalog.gap("sys-r5").id == "SYS-R5"
    assert catalog.clause("sys-03.C").name == "SYS-03.c"
    assert catalog.mutant(" sys-03.1 ").name == "SYS-03.1"


@pytest.mark.parametrize(
    ("look", "name", "nearest"),
    [
        ("gap", "SYS-3", "SYS-03"),
        ("gap", "SYS03", "SYS-03"),
        ("clause", "SYS-03.z", "SYS-03."),
        ("mutant", "SYS-03.99", "SYS-03."),
        ("gap_of", "SIS-03.c", "SYS-03.c"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(catalog, look, name, nearest):
    with pytest.raises(UnknownGap, match=nearest) as raised:
        getattr(catalog, look)(name)
    assert repr(name) in str(raised.value)
    assert raised.value.exit_code is ExitCode.USAGE


def test_a_mutant_where_a_gap_is_wanted_is_answered_with_the_way_to_name_one(catalog):
    with pytest.raises(UnknownGap, match=r"take it as SYS-03 --mutant SYS-03\.1"):
        catalog.clauses_of(["sys-03.1"])
    with pytest.raises(UnknownGap, match=r"no mutant is called 'SYS-03.99'; nearest: .*SYS-03\.\d"):
        catalog.clauses_of(["SYS-03.99"])


def test_a_name_like_no_other_points_at_the_list(catalog):
    with pytest.raises(UnknownGap, match="overbooked list"):
        catalog.gap("?!")


def test_a_gap_is_found_from_its_clause_and_its_mutant(catalog):
    assert {catalog.gap_of(name).id for name in ("SYS-03", "SYS-03.c", "SYS-03.1")} == {"SYS-03"}


def test_gap_and_clause_names_mean_clauses_each_once(catalog):
    names = [clause.name for clause in catalog.clauses_of(["SYS-04.b", "SYS-02", "SYS-02.a"])]
    assert names == ["SYS-04.b", "SYS-02.a", "SYS-02.b", "SYS-02.c", "SYS-02.d"]


def test_nothing_said_selects_everything(catalog):
    assert catalog.select() == catalog.gaps


def test_what_is_said_must_all_hold(catalog):
    chosen = catalog.select(theme="revenue", priority="P0")
    assert {"SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-28", "SYS-R5"} <= {gap.id for gap in chosen}
    assert all(gap.theme == "revenue" and gap.priority is Priority.P0 for gap in chosen)
    assert catalog.select(["SYS-03"], theme="privacy") == ()


def test_selection_keeps_the_order_of_the_catalog(catalog):
    assert [gap.id for gap in catalog.select(["SYS-04", "SYS-01.f"])] == ["SYS-01", "SYS-04"]


def test_several_themes_are_divided_by_commas(catalog):
    assert {gap.theme for gap in catalog.select(theme="revenue, Live")} == {"revenue", "live"}


def test_an_unknown_theme_is_answered_with_the_nearest(catalog):
    with pytest.raises(UnknownGap, match="no theme is called 'revenu'; nearest: revenue"):
        catalog.select(theme="revenu")


@pytest.mark.parametrize(
    ("said", "meant"),
    [("P0", ["P0"]), ("p0,P2", ["P0", "P2"]), ("P1-P3", ["P1", "P2", "P3"]), ("P0,P0-P1", ["P0", "P1"])],
)
def test_priorities_are_said_alone_in_lists_and_as_ranges(said, meant):
    assert [str(priority) for priority in priorities_of(said)] == meant


@pytest.mark.parametrize("said", ["P4", "high", "P2-P0", ","])
def test_a_priority_that_is_none_is_refused(said):
    with pytest.raises(UnknownGap, match="say P0"):
        priorities_of(said)
