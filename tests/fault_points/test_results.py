"""The matrix of a sweep: sums and text form."""

from __future__ import annotations

from overbooked.errors import GapFound
from overbooked.fault_points.points import FaultPlan, FaultPoint
from overbooked.fault_points.results import SweepCell, SweepOutcome, SweepResult
from overbooked.fault_points.sweep import receipts
from overbooked.fault_points.table import markdown, second_summary, summary
from overbooked.wire.gate.boundary import FaultKind

BEGIN = FaultPoint("checkout", 1, "app->postgres", "BEGIN", 1, "BEGIN", "pay")
POST = FaultPoint("checkout", 2, "app->payments", "POST /v1/`x`|y", 1, "POST", "pay")
KINDS = (FaultKind.ERROR, FaultKind.STALL)


def sweep() -> SweepResult:
    found = SweepResult("checkout", [BEGIN, POST], KINDS)
    found.add(SweepCell(FaultPlan("checkout", BEGIN, FaultKind.ERROR), SweepOutcome.SAFE))
    found.add(
        SweepCell(FaultPlan("checkout", POST, FaultKind.ERROR), SweepOutcome.VIOLATED, aspects=("money",))
    )
    found.add(
        SweepCell(FaultPlan("checkout", BEGIN, FaultKind.STALL), SweepOutcome.DID_NOT_BITE, "it never came")
    )
    found.add(
        SweepCell(FaultPlan("checkout", POST, FaultKind.STALL), SweepOutcome.NOT_APPLICABLE, "no such thing")
    )
    return found


def test_sums_say_what_was_possible_injected_bitten_and_violated() -> None:
    assert sweep().counts == {
        "points": 2,
        "possible": 3,
        "injected": 3,
        "bitten": 2,
        "violated": 1,
        "did not bite": 1,
        "n/a": 1,
        "not run": 0,
    }
    assert sweep().by_kind()["stall"]["bitten"] == 0
    assert summary(sweep()) == "2 points, 3 faults injected (all), 2 took effect, 1 violated"


def test_what_was_not_run_is_never_called_every_one() -> None:
    found = sweep()
    found.add(
        SweepCell(FaultPlan("checkout", POST, FaultKind.TRICKLE), SweepOutcome.NOT_RUN, "beyond the budget")
    )
    assert not found.exhausted
    assert "of 4 possible" in summary(found)


def test_nothing_at_all_is_not_exhausted() -> None:
    assert not SweepResult("checkout", [], KINDS).exhausted


def test_faults_upon_faults_are_counted_apart() -> None:
    found = sweep()
    twice = FaultPlan("checkout", BEGIN, FaultKind.ERROR, "", POST, FaultKind.ANSWER_LOST)
    found.add(SweepCell(twice, SweepOutcome.SAFE))
    found.second_possible = 9
    assert found.counts["injected"] == 3
    assert second_summary(found) == (
        "1 second-order faults injected (of 9 in the recorded recoveries), 1 took effect, 0 violated"
    )
    assert found.as_dict()["second_order"]["cells"][0]["then"]["kind"] == "answer lost"


def test_what_took_a_fault_is_shown_before_what_took_none() -> None:
    found, plan = sweep(), FaultPlan("checkout", POST, FaultKind.ERROR)
    for one in (None, plan, FaultPlan("checkout", BEGIN, FaultKind.ERROR), None):
        found.note(one, "money", GapFound(str(one)))
    assert found.found["money"][0] == plan


def test_a_receipt_says_how_often_a_kind_bit_on_a_link() -> None:
    bits = {(receipt.fault, receipt.subject): receipt.bit for receipt in receipts(sweep(), 1.0)}
    assert bits == {
        ("error at 1 fault points of checkout", "app->postgres"): True,
        ("error at 1 fault points of checkout", "app->payments"): True,
        ("stall at 1 fault points of checkout", "app->postgres"): False,
    }


def test_the_page_has_every_cell_and_every_reason() -> None:
    found = sweep()
    found.note(
        FaultPlan("checkout", POST, FaultKind.ERROR), "money", GapFound("charged twice", expected="once")
    )
    page = markdown(found, {"money": "nobody pays twice", "holds": "no hold is left"})
    assert "| 1 | pay | app->postgres | `BEGIN` | ok | no effect |" in page
    assert "| 2 | pay | app->payments | `POST /v1/'x'/y` | VIOLATED | n/a |" in page
    assert "- **money** (nobody pays twice): violated" in page
    assert "error at 2 (app->payments POST): charged twice" in page
    assert "- **holds** (no hold is left): held" in page
    assert "- n/a, stall: no such thing (1 points)" in page
