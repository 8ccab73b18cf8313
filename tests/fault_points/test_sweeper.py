"""Sweeps over an in-memory journey: a fault at every point, every violation found, every problem reported."""

from __future__ import annotations

import random

import pytest

from overbooked.errors import DeadlineExceeded, HarnessError, NotSupported
from overbooked.fault_points.plans import Quotas
from overbooked.fault_points.results import SweepOutcome, SweepResult
from overbooked.fault_points.sweep import inject_one, judge_sweep, sweep
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from overbooked.wire.gate.boundary import FaultKind
from tests.interleavings.fake_gate import TollJourney, TollStack, TollTrial

BOUNDARIES = 4
KINDS = len(FaultKind)


async def swept(journey: TollJourney, **options: object) -> SweepResult:
    return await sweep(journey.stack.as_stack(), journey, rng=random.Random(7), **options)  # type: ignore[arg-type]


async def test_every_kind_is_injected_at_every_boundary_and_bites() -> None:
    found = await swept(TollJourney(TollStack()))
    assert len(found.points) == BOUNDARIES
    assert found.exhausted
    assert found.counts["bitten"] == found.counts["possible"] == BOUNDARIES * KINDS
    assert found.counts["violated"] == 0
    assert [(p.step, p.verb) for p in found.points] == [
        ("charge", "POST"),
        ("book", "BEGIN"),
        ("book", "INSERT"),
        ("book", "COMMIT"),
    ]


class OneTry(TollTrial):
    """A client that does not retry."""

    async def play(self, replica: int, mark: object) -> None:
        from contextlib import suppress

        from tests.interleavings.fake_gate import Lost, Refused

        with suppress(Lost, Refused):
            await self._pay(replica, mark)  # type: ignore[arg-type]


class Impatient(TollJourney):
    async def prepare(self, n: int) -> list[TollTrial]:
        return [OneTry(self, trial.number) for trial in await super().prepare(n)]


async def test_what_is_left_half_done_is_found_at_the_points_where_it_is() -> None:
    found = await swept(Impatient(TollStack(), recovers=False))
    by_point = {
        point.verb: {cell.plan.kind for cell in found.violated if cell.plan.point == point}
        for point in found.points
    }
    unexecuted = {
        *(FaultKind.ERROR, FaultKind.RESET_BEFORE, FaultKind.STALL, FaultKind.KILL_BEFORE),
        *(FaultKind.DOWN, FaultKind.REFUSING, FaultKind.SILENT),
    }
    executed = {
        *(FaultKind.ANSWER_LOST, FaultKind.KILL_AFTER),
        *(FaultKind.CALL_LOST, FaultKind.LOST_THEN_DOWN, FaultKind.LOST_THEN_SILENT),
    }
    assert by_point == {
        "POST": executed,
        "BEGIN": unexecuted | executed,
        "INSERT": unexecuted | executed,
        "COMMIT": unexecuted,
    }
    assert set(found.found) == {"money"}


async def test_a_sample_is_counted_and_never_called_exhausted() -> None:
    found = await swept(TollJourney(TollStack()), quotas=Quotas(plain=6, stalls=1, kills=2))
    assert found.counts["injected"] == 9
    assert found.counts["not run"] == BOUNDARIES * KINDS - 9
    assert not found.exhausted


async def test_of_kills_those_come_first_that_find_the_service_dead_in_another_state() -> None:
    found = await swept(
        TollJourney(TollStack()), kinds=[FaultKind.KILL_BEFORE, FaultKind.KILL_AFTER], quotas=Quotas(kills=3)
    )
    run = [cell.plan for cell in found.cells if cell.outcome is SweepOutcome.SAFE]
    assert {(p.point.verb, p.kind) for p in run} >= {
        ("POST", FaultKind.KILL_AFTER),
        ("COMMIT", FaultKind.KILL_AFTER),
    }
    assert len(run) == 3


async def test_what_the_gate_refuses_is_not_applicable_and_says_why() -> None:
    found = await swept(
        TollJourney(TollStack(refuses="not here")), kinds=[FaultKind.ERROR, FaultKind.TRICKLE]
    )
    errors = [cell for cell in found.cells if cell.plan.kind is FaultKind.ERROR]
    assert {(cell.outcome, cell.why) for cell in errors} == {(SweepOutcome.NOT_APPLICABLE, "not here")}
    assert found.by_kind()["trickle"]["bitten"] == BOUNDARIES


class Shy(TollTrial):
    """Only recorded runs book; other runs are charged without a booking."""

    async def _pay(self, replica: int, mark: object) -> None:
        if self.number <= 2:
            await super()._pay(replica, mark)  # type: ignore[arg-type]
        else:
            await self._journey.stack.cross(replica, "app->payments", "POST")


class Shying(TollJourney):
    async def prepare(self, n: int) -> list[TollTrial]:
        return [Shy(self, trial.number) for trial in await super().prepare(n)]


async def test_a_point_that_does_not_come_again_did_not_bite_and_is_tried_twice() -> None:
    journey = Shying(TollStack())
    found = await swept(journey, kinds=[FaultKind.RESET_BEFORE])
    assert [cell.outcome for cell in sorted(found.cells, key=lambda c: c.plan.point.ordinal)] == [
        SweepOutcome.SAFE,
        *[SweepOutcome.DID_NOT_BITE] * 3,
    ]
    assert len(journey.readied) == 3 + 4 + 3


async def test_the_killed_replica_is_started_again_and_the_gate_let_go() -> None:
    stack = TollStack()
    await swept(TollJourney(stack), kinds=[FaultKind.KILL_BEFORE, FaultKind.KILL_AFTER])
    assert sum(process.kills for process in stack.processes.values()) == 2 * BOUNDARIES
    assert all(process.up for process in stack.processes.values())
    assert all(link.keeper is None for link in stack.links.values())


async def test_runs_share_their_recovery() -> None:
    journey = TollJourney(TollStack())
    await swept(journey, kinds=[FaultKind.ERROR])
    assert journey.batches == [3 + BOUNDARIES]
    assert journey.glanced == BOUNDARIES


async def test_faults_upon_faults_strike_the_recovery() -> None:
    found = await swept(
        Impatient(TollStack()), kinds=[FaultKind.RESET_BEFORE], quotas=Quotas(upon_faults=None)
    )
    assert found.second_possible == len(found.second_order) == BOUNDARIES * BOUNDARIES
    assert found.second_counts["bitten"] == found.second_possible


async def test_a_sample_of_faults_upon_faults_is_as_large_as_asked() -> None:
    found = await swept(Impatient(TollStack()), kinds=[FaultKind.ERROR], quotas=Quotas(upon_faults=7))
    assert len(found.second_order) == 7


class OnceOnly(OneTry):
    """Its first recovery sends a message that later ones do not send."""

    async def recover(self, replica: int, way: str) -> None:
        journey = self._journey
        assert isinstance(journey, AskedOnce)
        if not journey.asked:
            journey.asked = True
            await journey.stack.cross(replica, "app->postgres", "TYPES")
        await super().recover(replica, way)


class AskedOnce(TollJourney):
    # The message is sent in the first recorded recovery; the one without a fault sends nothing.
    recoveries = ("again", "anew")
    asked = False

    async def prepare(self, n: int) -> list[TollTrial]:
        return [OnceOnly(self, trial.number) for trial in await super().prepare(n)]


async def test_what_only_the_recorded_recovery_asked_is_told_apart_and_another_takes_its_place() -> None:
    everything = await swept(
        AskedOnce(TollStack()), kinds=[FaultKind.RESET_BEFORE], quotas=Quotas(upon_faults=None)
    )
    once = [cell for cell in everything.second_order if cell.plan.second and cell.plan.second.verb == "TYPES"]
    assert [cell.outcome for cell in once] == [SweepOutcome.NOT_APPLICABLE]
    assert "one of three recoveries" in once[0].why
    assert everything.second_counts["bitten"] == everything.second_possible - 1
    sampled = await swept(
        AskedOnce(TollStack()), kinds=[FaultKind.RESET_BEFORE], quotas=Quotas(upon_faults=4)
    )
    outcomes = [cell.outcome for cell in sampled.second_order]
    assert outcomes.count(SweepOutcome.SAFE) == 4
    assert outcomes.count(SweepOutcome.NOT_APPLICABLE) == 1
    assert not sampled.missed


async def test_one_plan_can_be_carried_out_again_a_second_fault_included() -> None:
    journey = Impatient(TollStack())
    found = await swept(journey, kinds=[FaultKind.RESET_BEFORE], quotas=Quotas(upon_faults=None))
    plan = found.second_order[-1].plan
    again = Impatient(TollStack())
    struck = await inject_one(again.stack.as_stack(), again, lambda possible: plan, rng=random.Random(7))
    assert [cell.plan for cell in struck.second_order] == [plan]
    assert struck.second_counts["bitten"] == 1


async def test_a_journey_that_crosses_nothing_is_no_journey() -> None:
    journey = TollJourney(TollStack())
    journey.links = ()
    with pytest.raises(HarnessError, match="crossed no boundary"):
        await swept(journey)


async def test_a_link_without_a_gate_is_not_supported() -> None:
    stack = TollStack(links={"app->postgres": object(), "app->payments": object()})  # type: ignore[dict-item]
    with pytest.raises(NotSupported, match="app->postgres has no gate"):
        await swept(TollJourney(stack))


async def test_a_replica_that_never_comes_to_itself_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overbooked.fault_points.replicas._NORMAL_S", 0.05)
    journey = TollJourney(TollStack())
    probe, probes = journey.probe, []

    async def failing(replica: int) -> None:
        probes.append(replica)
        if len(probes) <= 4:
            await probe(replica)

    monkeypatch.setattr(journey, "probe", failing)
    with pytest.raises(DeadlineExceeded, match="back to normal"):
        await swept(journey)


class TestRuling:
    async def test_a_sweep_without_a_finding_closes_its_clauses_with_receipts(self) -> None:
        journey, judge = TollJourney(TollStack()), Judge(["SYS-01.a"], "here")
        await judge_sweep(
            journey.stack.as_stack(), journey, judge, {"money": "SYS-01.a"}, rng=random.Random(7)
        )
        (result,) = judge.conclude(None)
        assert result.verdict is Verdict.CLOSED
        assert result.counts["bitten"] == BOUNDARIES * KINDS
        assert sum(receipt.messages for receipt in result.receipts) == BOUNDARIES * KINDS
        assert result.notes["sweep of toll"]["exhausted"] is True

    async def test_a_finding_opens_the_clause_and_names_the_plan(self) -> None:
        journey, judge = Impatient(TollStack(), recovers=False), Judge(["SYS-01.a"], "here")
        await judge_sweep(
            journey.stack.as_stack(), journey, judge, {"money": "SYS-01.a"}, rng=random.Random(7)
        )
        (result,) = judge.conclude(None)
        assert result.verdict is Verdict.OPEN
        assert result.finding is not None
        assert "(app->" in str(result.finding.details["fault plan"])

    async def test_a_point_that_did_not_bite_is_inconclusive(self) -> None:
        journey, judge = Shying(TollStack()), Judge(["SYS-01.a"], "here")
        await judge_sweep(
            journey.stack.as_stack(), journey, judge, {"money": "SYS-01.a"}, rng=random.Random(7)
        )
        (result,) = judge.conclude(None)
        assert result.verdict is not Verdict.CLOSED
