"""Each verb that never succeeded is tried alone; a service that fails partly stays open."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from overbooked.bursts.bursts import Bursts
from overbooked.capabilities import known
from overbooked.errors import GapFound, HarnessError
from overbooked.histories.history import History, Recorder
from overbooked.histories.operation import Operation
from overbooked.interleavings.conclusive import require_conclusive
from overbooked.interleavings.exploration import Inconclusive
from overbooked.interleavings.results import ExplorationResult
from overbooked.interleavings.scheduler.race import Races
from overbooked.journeys.alone import Outcomes, outcomes, wrong_adapter
from overbooked.oracles.linearizability import linearizable
from overbooked.targets.adapter import Action, Answer, HttpRequest, Money, Outcome, Slot
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.targets.one_object import OneObject

Says = Callable[[str], int]


class Counter(OneObject):
    """A system that answers each verb with a status."""

    def __init__(self, says: Says) -> None:
        self.adapter = SimpleNamespace(capabilities=frozenset(known().values()))
        self.recorder = Recorder(time.monotonic)
        self._says = says

    async def customers(self, n: int) -> list[Any]:
        return [
            SimpleNamespace(
                books=lambda slot: "book",
                cancels=lambda booking: "cancel",
                reschedules=lambda booking, to: "reschedule",
                checks_out=lambda slot: ("quote", "begin", "details", "pay"),
            )
            for _ in range(n)
        ]

    async def open_slot(self, capacity: int = 1) -> Slot:
        return Slot("1", capacity, Money(100))

    def resize(self, slot: Slot, capacity: int) -> str:
        return "resize"

    async def do(self, verb: str) -> Answer:
        status = self._says(verb)
        outcome = Outcome.OK if status < 300 else Outcome.REFUSED if status < 500 else Outcome.UNKNOWN
        self.recorder.invoke("new", verb).end(outcome, problem="" if status < 300 else str(status))
        return Answer(outcome, status)

    async def walk(self, verbs: Sequence[str]) -> None:
        for verb in verbs:
            if not (await self.do(verb)).ok:
                return

    def history_since(self, moment: float) -> History:
        return self.recorder.history()


def happened(**verbs: Sequence[int]) -> dict[str, Outcomes]:
    """Return outcomes of requests: the statuses of each verb."""
    operations = [
        Operation(
            "ana",
            verb,
            {},
            0.0,
            1.0,
            Outcome.OK if status < 300 else Outcome.REFUSED if status < 500 else Outcome.UNKNOWN,
            problem="" if status < 300 else str(status),
        )
        for verb, statuses in verbs.items()
        for status in statuses
    ]
    return outcomes(operations)


async def doubt(says: Says, *, found: bool, **verbs: Sequence[int]) -> str:
    return await wrong_adapter(Counter(says), happened(**verbs), found=found)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 422, 500, 503])
@pytest.mark.parametrize("found", [True, False])
async def test_a_verb_that_fails_for_everybody_and_alone_is_the_adapters_fault(
    status: int, found: bool
) -> None:
    why = await doubt(lambda _: status, found=found, book=[status] * 50)
    assert why == (
        f"no book succeeded in 50 requests, and one alone on a new slot is answered {status}; "
        "check the adapter"
    )


@pytest.mark.parametrize("others", [[409] * 49, [500] * 49, [404] * 20 + [401] * 29])
async def test_what_succeeds_for_one_says_nothing_against_the_adapter(others: list[int]) -> None:
    assert await doubt(lambda _: 500, found=True, book=[201, *others]) == ""


async def test_what_fails_in_every_race_and_succeeds_alone_stays_open() -> None:
    # A service that answers a burst with nothing but errors is broken by the burst.
    assert await doubt(lambda _: 201, found=True, book=[500] * 50) == ""


async def test_what_is_closed_with_nothing_but_refusals_shows_nothing() -> None:
    why = await doubt(lambda _: 201, found=False, book=[409] * 50)
    assert why.startswith("none of 50 requests succeeded (409)")


async def test_one_step_of_a_checkout_that_fails_alone_is_told() -> None:
    why = await doubt(
        lambda verb: 404 if verb == "pay" else 200, found=True, quote=[200], begin=[201], pay=[404, 404]
    )
    assert why.startswith("no pay succeeded in 2 requests, and one alone on a new slot is answered 404")


async def test_what_is_meant_to_be_refused_is_no_fault_of_the_adapter() -> None:
    # A declined card: the payment never succeeds in the scenario, and does alone.
    assert await doubt(lambda _: 200, found=False, quote=[200], begin=[201], pay=[402]) == ""
    # An attack: no verb of ours does it alone.
    assert await doubt(lambda _: 200, found=False, book=[201], forge=[401, 401]) == ""


async def test_a_doubt_takes_back_what_was_open_and_what_was_closed() -> None:
    judge = Judge(["SYS-03.c", "SYS-03.e"], "test")
    judge.count("rounds")
    with judge("SYS-03.c"):
        raise GapFound("a rejected request is not refused clearly", observed="404")
    with judge("SYS-03.e"):
        pass
    judge.doubts("no book succeeded; check the adapter")
    assert {each.verdict for each in judge.conclude(None)} == {Verdict.INCONCLUSIVE}
    assert all(each.finding is None for each in judge.conclude(GapFound("also")))


# -- races, bursts and histories in which nothing succeeds ---------------------------------------


def explored(succeeded: int) -> ExplorationResult:
    return ExplorationResult(
        2,
        2,
        reduced=True,
        schedules=30,
        boundaries=300,
        longest=10,
        exhausted=True,
        succeeded=succeeded,
        wrote=True,
    )


def test_an_exploration_in_which_no_request_succeeds_concludes_nothing() -> None:
    require_conclusive("book and book", explored(1))
    with pytest.raises(Inconclusive, match="no request succeeded in any of 30 schedules"):
        require_conclusive("book and book", explored(0))


async def test_rounds_in_which_no_request_succeeds_conclude_nothing_and_count_no_burst() -> None:
    judge = Judge(["SYS-03.c"], "test")
    system: Any = SimpleNamespace(
        client=SimpleNamespace(urls=()),
        recorder=Recorder(time.monotonic),
        history_since=lambda _: History(()),
    )
    bursts = Bursts(system, judge)

    async def refused(actions: Sequence[object]) -> list[Answer]:
        return [Answer(Outcome.REFUSED, 409) for _ in actions]

    bursts.burst = refused  # type: ignore[method-assign, assignment]

    async def race() -> Races:
        action = Action("book", "ana", HttpRequest("POST", "/"), lambda _: Answer(Outcome.OK, 201))
        while True:
            yield [action] * 5
            with judge("SYS-03.c"):
                pass

    with pytest.raises(HarnessError, match=r"no request succeeded in any of 3 rounds \(15 requests\)"):
        await bursts.play(race, rounds=3)


def test_a_history_without_a_successful_write_shows_nothing() -> None:
    slot = Slot("1", 0, Money(100))
    refused = Operation("ana", "book", {"slot": "1"}, 0.0, 1.0, Outcome.REFUSED)
    unknown = Operation("ben", "book", {"slot": "1"}, 0.0, 1.0, Outcome.UNKNOWN)
    for operations in ([], [refused], [unknown], [refused, unknown]):
        with pytest.raises(HarnessError, match="no write succeeded among"):
            linearizable(History.of(operations), [slot])


# -- a property of which no example came to its end -----------------------------------------------


async def test_a_property_whose_every_example_is_assumed_away_shows_nothing() -> None:
    from hypothesis import strategies as st
    from hypothesis.errors import UnsatisfiedAssumption

    from overbooked import properties
    from overbooked.catalog import Means

    judge = Judge(["SYS-04.b"], "test", {"SYS-04.b": (Means.PROPERTIES,)})

    async def never(_: int) -> None:
        raise UnsatisfiedAssumption

    try:
        await properties.check(st.integers(), never, examples=20, seed=1, judge=judge)
    except HarnessError as error:
        raised: BaseException | None = error
    else:
        raised = None
    assert judge.conclude(raised)[0].verdict is Verdict.INCONCLUSIVE
