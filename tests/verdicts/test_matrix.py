from __future__ import annotations

import json

import pytest

from overbooked.verdicts.kill_matrix import CellState, KillMatrix, Observation
from overbooked.verdicts.verdict import Verdict
from tests.verdicts.samples import CLOSED, INCONCLUSIVE, NOT_COVERED, OPEN, catalog

CLAUSES = ("T-1.a", "T-1.b", "T-1.c", "T-2.a")
MUTANTS = ("T-1.1", "T-1.2", "T-1.3", "T-2.1")
ASKED = {"T-1.b", "T-1.c", "T-2.a"}


def seen(mutant: str | None, clause: str, *verdicts: Verdict) -> list[Observation]:
    return [Observation(mutant, clause, n, v, f"it was {v}") for n, v in enumerate(verdicts)]


def good(repeat: int = 1) -> list[Observation]:
    """Return observations with every expected verdict."""
    observations = []
    for mutant, broken in {
        None: (),
        "T-1.1": ("T-1.b", "T-1.c"),
        "T-1.2": ("T-1.c",),
        "T-2.1": ("T-2.a",),
    }.items():
        for clause in sorted(ASKED):
            observations += seen(mutant, clause, *[OPEN if clause in broken else CLOSED] * repeat)
    return observations


def matrix(observations: list[Observation], **more) -> KillMatrix:
    return KillMatrix.build(
        catalog(), observations, **{"clauses": CLAUSES, "mutants": MUTANTS, "asked": ASKED, **more}
    )


def changed(mutant: str | None, clause: str, *verdicts: Verdict) -> KillMatrix:
    """Return the good matrix with one cell changed."""
    kept = [o for o in good() if (o.mutant, o.clause) != (mutant, clause)]
    return matrix(kept + seen(mutant, clause, *verdicts))


def test_every_mutant_killed_and_no_alarm_is_a_proof():
    proof = matrix(good(3))
    assert proof.proven
    assert proof.killed == ("T-1.1", "T-1.2", "T-2.1")
    assert (proof.survivors, proof.false_alarms, proof.flaky, proof.also_opened) == ((), (), (), ())
    assert proof.wrong_verdicts == 0


def test_a_mutant_that_breaks_nothing_asked_is_unproven_not_killed():
    proof = matrix(good())
    assert proof.unproven == ("T-1.3",)
    assert proof.cells["T-1.3", "T-1.a"].state is CellState.NOT_ASKED
    assert proof.cells["T-1.1", "T-1.a"].state is CellState.NOT_ASKED


@pytest.mark.parametrize("verdict", [CLOSED, INCONCLUSIVE, NOT_COVERED])
def test_a_clause_that_should_have_opened_and_did_not_lets_its_mutant_survive(verdict):
    proof = changed("T-1.1", "T-1.c", verdict)
    assert proof.survivors == ("T-1.1",)
    assert [cell.clause for cell in proof.missed] == ["T-1.c"]
    assert proof.wrong_verdicts == 1
    assert not proof.proven


def test_a_mutant_killed_nineteen_times_of_twenty_survives():
    proof = changed("T-1.2", "T-1.c", *[OPEN] * 19, CLOSED)
    assert proof.survivors == ("T-1.2",)
    assert [cell.mutant for cell in proof.flaky] == ["T-1.2"]
    assert proof.wrong_verdicts == 1


def test_an_open_clause_of_the_healthy_system_is_a_false_alarm():
    proof = changed(None, "T-2.a", CLOSED, OPEN)
    assert [cell.clause for cell in proof.false_alarms] == ["T-2.a"]
    assert proof.wrong_verdicts == 1
    assert not proof.proven


def test_an_inconclusive_clause_of_the_healthy_system_is_no_proof():
    proof = changed(None, "T-2.a", INCONCLUSIVE)
    assert not proof.proven
    assert [cell.clause for cell in proof.undecided] == ["T-2.a"]


def test_a_neighbour_that_a_mutant_opens_is_told_but_is_no_wrong_verdict():
    proof = changed("T-1.2", "T-2.a", OPEN)
    assert [(c.mutant, c.clause) for c in proof.also_opened] == [("T-1.2", "T-2.a")]
    assert proof.unexplained == proof.also_opened
    assert proof.proven
    assert proof.wrong_verdicts == 0


def test_an_explained_neighbour_keeps_its_explanation():
    observations = [*good(), *seen("T-1.2", "T-2.a", OPEN)]
    proof = matrix(observations, explained={("T-1.2", "T-2.a"): "the price is of the place lost"})
    assert proof.unexplained == ()
    assert proof.also_opened[0].explained == "the price is of the place lost"


def test_an_undecided_neighbour_is_a_wrong_verdict_but_does_not_unmake_the_proof():
    proof = changed("T-1.2", "T-2.a", INCONCLUSIVE)
    assert proof.wrong_verdicts == 1
    assert proof.proven


def test_what_has_not_run_is_listed_and_proves_nothing():
    proof = matrix([o for o in good() if o.mutant != "T-2.1"])
    assert [(c.mutant, c.clause) for c in proof.not_run] == [("T-2.1", "T-2.a")]
    assert proof.survivors == ()
    assert "T-2.1" not in proof.killed
    assert not proof.proven


def test_of_several_scenarios_in_one_repetition_the_worst_counts():
    proof = changed("T-1.2", "T-1.c", OPEN)
    extra = [Observation("T-1.2", "T-1.c", 0, CLOSED)]
    again = matrix([*proof.observations, *extra])
    assert again.cells["T-1.2", "T-1.c"].verdicts == (OPEN,)


def test_a_clause_seen_that_nobody_listed_gets_a_row():
    proof = matrix(good(), clauses=("T-1.b",))
    assert proof.clauses == ("T-1.b", "T-1.c", "T-2.a")


def test_the_document_has_every_observation_and_can_be_made_again_from_them():
    proof = matrix([*good(2), *seen("T-1.2", "T-2.a", OPEN)], about={"seed": 4711})
    data = json.loads(json.dumps(proof.as_dict()))
    again = matrix([Observation.from_dict(o) for o in data["observations"]], about=data["about"])
    assert again.as_dict() == proof.as_dict()
    assert data["about"] == {"seed": 4711}
    assert data["killed"] == ["T-1.1", "T-1.2", "T-2.1"]
    assert data["mutants"][0] == {"id": "T-1.1", "text": "no lock"}
