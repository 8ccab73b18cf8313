"""A mutant whose code never ran proves nothing; a surviving mutant is reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from overbooked.plugin import stack_manager
from overbooked.runs.mutant_receipts import ReceiptCounts, between
from tests.cli.conftest import Project, project

__all__ = ["project"]

# Of the toy's mutants SYS-03.5 breaks b, d and e; the clauses that are bound here are c, d and e.
BLIND = """
@gap("SYS-03.c", "SYS-03.d", "SYS-03.e")
async def test_that_finds_nothing(stack, judge):
    judge.count("rounds", 3)
    if stack.mutant == "SYS-03.1":
        raise GapFound("the canary sings")
"""
SEES = BLIND.replace('== "SYS-03.1"', "is not None")
Says = Callable[[Mapping[str, int], "bool | None"], None]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """The receipts of the replicas during each scenario."""

    def set_up(ran: Mapping[str, int], schema: bool | None = None) -> None:
        looks: list[ReceiptCounts] = []

        async def read(_stack: object, _path: str) -> ReceiptCounts:
            looks.append(ReceiptCounts())
            n = len(looks) - 1
            counts = {what: 5 + (each if n % 2 else 0) for what, each in ran.items()}
            return ReceiptCounts({"app": counts}, {"app": 1}, schema)

        monkeypatch.setattr(stack_manager, "read", read)

    return set_up


def run(project: Project, source: str, mutant: str = "SYS-03.5") -> tuple[int, str, dict[str, str], Any]:
    (project.root / "scenarios" / "test_races.py").unlink(missing_ok=True)
    project.scenario("toy", source)
    called = project.call("run", "SYS-03", "--mutant", mutant, "--json")
    card = json.loads(called.out)
    verdicts = {clause["id"]: clause["verdict"] for clause in card["gaps"][0]["clauses"]}
    return called.code, called.err, verdicts, card


def test_a_mutant_that_survives_is_not_found_and_the_exit_code_says_so(project: Project, says: Says) -> None:
    says({"service:cancel": 40})
    code, console, verdicts, card = run(project, BLIND)
    assert code == 1
    assert "mutant not found: SYS-03.5 survives, SYS-03.d, SYS-03.e are not open" in console
    assert "its code ran 40 times" in console
    assert verdicts["SYS-03.d"] == "closed"
    assert any("mutant not found" in error for error in card["errors"])


def test_a_mutant_whose_code_never_ran_is_inconclusive(project: Project, says: Says) -> None:
    says({"service:cancel": 0, "store:LOCK": 0})
    code, console, verdicts, _ = run(project, BLIND)
    assert code == 3
    assert "the mutant's code never ran" in console
    assert verdicts["SYS-03.d"] == verdicts["SYS-03.e"] == "inconclusive"
    assert verdicts["SYS-03.c"] == "closed", "a clause that it does not break says nothing of it"


def test_a_schema_change_that_is_not_in_force_is_inconclusive(project: Project, says: Says) -> None:
    says({"service:cancel": 4}, False)
    code, console, verdicts, _ = run(project, BLIND)
    assert code == 3
    assert "schema change is not in force" in console
    assert verdicts["SYS-03.d"] == "inconclusive"


def test_one_that_ran_and_opened_is_found(project: Project, says: Says) -> None:
    says({"service:cancel": 1})
    code, console, _, card = run(project, SEES)
    assert code == 1
    assert "mutant SYS-03.5 found: SYS-03.d, SYS-03.e are open" in console
    assert card["errors"] == []
    evidence = card["gaps"][0]["clauses"][3]["evidence"][0]
    assert evidence["notes"]["mutant"]["ran"] == {"service:cancel": 1}


def test_what_opens_without_the_mutant_is_not_credited_to_it(project: Project, says: Says) -> None:
    says({"service:cancel": 0})
    _, console, _, card = run(project, SEES)
    assert "mutant SYS-03.5 not found: SYS-03.d, SYS-03.e are open although its code never ran" in console
    assert not card["canary"]["ok"], "a canary that opens without its mutant does not sing"


def test_a_target_without_receipts_is_told_that_nobody_knows(project: Project) -> None:
    code, console, verdicts, _ = run(project, BLIND)
    assert code == 1
    assert "whether its code ran is not known: the target's descriptor has no [mutants] receipt" in console
    assert verdicts["SYS-03.d"] == "closed"


def test_a_mutant_none_of_whose_clauses_is_asked_says_so(project: Project, says: Says) -> None:
    says({"service:cancel": 0})
    (project.root / "scenarios" / "test_races.py").unlink()
    project.scenario("toy", BLIND)
    called = project.call("run", "SYS-03.c", "--mutant", "SYS-03.5")
    assert "no clause that it breaks was asked" in called.err


@pytest.mark.parametrize(
    ("ran", "word"),
    [({"service:cancel": 0}, "NEVER RAN"), ({"service:cancel": 7}, "SURVIVED")],
    ids=["never ran", "survived"],
)
def test_a_proof_tells_what_survived_from_what_never_ran(
    project: Project, says: Says, ran: Mapping[str, int], word: str
) -> None:
    says(ran)
    (project.root / "scenarios" / "test_races.py").unlink()
    project.scenario("toy", BLIND)
    called = project.call("prove", "SYS-03", "--mutant", "SYS-03.5")
    assert word in called.err
    assert called.code == (3 if word == "NEVER RAN" else 1)


def test_a_proof_does_not_credit_what_opened_without_the_mutant(project: Project, says: Says) -> None:
    says({"service:cancel": 0})
    (project.root / "scenarios" / "test_races.py").unlink()
    project.scenario("toy", SEES)
    called = project.call("prove", "SYS-03", "--mutant", "SYS-03.5")
    assert "0 of 1 mutants killed" in called.err
    assert called.code == 3


def test_a_replica_that_was_killed_takes_its_counts_along() -> None:
    before = ReceiptCounts({"app": {"f": 9}, "app-2": {"f": 2}}, {"app": 1, "app-2": 2})
    quiet = between(before, ReceiptCounts({"app": {"f": 9}, "app-2": {"f": 2}}, {"app": 1, "app-2": 2}))
    assert (quiet.ran, bool(quiet.idle)) == ({"f": 0}, True)
    killed = between(before, ReceiptCounts({"app": {"f": 0}, "app-2": {"f": 2}}, {"app": 7, "app-2": 2}))
    assert "restarted" in killed.unknown
    assert not killed.idle, "it may have run before the kill"
    again = between(before, ReceiptCounts({"app": {"f": 3}, "app-2": {"f": 2}}, {"app": 7, "app-2": 2}))
    assert again.ran == {"f": 3}
