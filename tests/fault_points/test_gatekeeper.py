"""The gatekeeper of a sweep: its records, and that it injects a fault once, at the given point."""

from __future__ import annotations

import asyncio

import pytest

from overbooked.errors import DeadlineExceeded, HarnessError
from overbooked.fault_points.gatekeeper import Injection, SweepGatekeeper
from overbooked.fault_points.points import FaultPoint
from overbooked.wire.gate.boundary import Boundary, FaultKind, WireProtocol
from tests.interleavings.fake_gate import TollHeld


def held(verb: str, *, refuses: str = "", connection: int = 1, key: str = "") -> TollHeld:
    boundary = Boundary(
        *("app->postgres", WireProtocol.POSTGRES, connection, 1, verb, verb, verb),
        headers={"idempotency-key": key} if key else {},
    )
    return TollHeld(boundary, 9, refuses)


def at(verb: str, nth: int = 1) -> FaultPoint:
    return FaultPoint("checkout", 1, "app->postgres", verb, nth, verb)


def through(keeper: SweepGatekeeper, *verbs: str) -> list[TollHeld]:
    passed = []
    for verb in verbs:
        passed.append(one := held(verb))
        keeper.on_request(one)
        if one.done == ["go"]:
            keeper.on_reply(one)
    return passed


async def test_what_belongs_to_no_turn_passes_unrecorded() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    (one,) = through(keeper, "SELECT")
    assert one.done == ["go", "deliver"]


async def test_a_turn_records_what_crosses_with_its_step_and_answer() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    turn = keeper.begin()
    turn.mark("quote")
    through(keeper, "SELECT")
    turn.mark("pay")
    through(keeper, "COMMIT")
    keeper.end()
    through(keeper, "ROLLBACK")
    assert [(c.boundary.verb, c.step) for c in turn.crossings] == [("SELECT", "quote"), ("COMMIT", "pay")]
    assert all(c.reply is not None for c in turn.crossings)
    assert turn.links == {"app->postgres"}


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        (FaultKind.ERROR, ["fail error 58030"]),
        (FaultKind.RESET_BEFORE, ["fail reset before"]),
        (FaultKind.STALL, ["fail stall"]),
        (FaultKind.ANSWER_LOST, ["go", "lose"]),
        (FaultKind.TRICKLE, ["go", "deliver in 4"]),
        (FaultKind.KILL_BEFORE, ["fail reset before"]),
        (FaultKind.KILL_AFTER, ["go", "lose"]),
    ],
)
async def test_each_kind_does_what_it_says_to_the_nth_of_its_fingerprint(
    kind: FaultKind, done: list[str]
) -> None:
    kills: list[str] = []
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    turn = keeper.begin(Injection(at("SELECT", 2), kind, lambda: kills.append("app")))
    first, _, second, third = through(keeper, "SELECT", "COMMIT", "SELECT", "SELECT")
    assert first.done == third.done == ["go", "deliver"]
    assert second.done == done
    assert (turn.struck, turn.at) == (second.boundary, 3)
    assert len(kills) == (kind in (FaultKind.KILL_BEFORE, FaultKind.KILL_AFTER))


@pytest.mark.parametrize(
    ("kind", "first", "later"),
    [
        (FaultKind.DOWN, ["fail reset before"], ["fail reset before 58030"]),
        (FaultKind.LOST_THEN_DOWN, ["go", "lose"], ["fail reset before 58030"]),
        (FaultKind.REFUSING, ["fail error 58030"], ["fail error 58030"]),
        (FaultKind.SILENT, ["fail stall"], ["fail stall 58030"]),
        (FaultKind.LOST_THEN_SILENT, ["go"], ["fail stall 58030"]),
    ],
)
async def test_an_outage_lasts_until_the_run_has_ended(
    kind: FaultKind, first: list[str], later: list[str]
) -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    turn = keeper.begin(Injection(at("SELECT"), kind))
    before, struck, after, rollback = through(keeper, "BEGIN", "SELECT", "COMMIT", "ROLLBACK")
    keeper.end()
    (recovered,) = through(keeper, "SELECT")
    assert before.done == recovered.done == ["go", "deliver"]
    assert (struck.done, after.done) == (first, later)
    assert rollback.done == (["go", "deliver"] if kind is FaultKind.REFUSING else later)
    assert (turn.struck, turn.at) == (struck.boundary, 2)


async def test_a_lost_call_fails_until_the_caller_calls_otherwise() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    keeper.begin(Injection(at("POST"), FaultKind.CALL_LOST))
    first, again, other = held("POST", key="a"), held("POST", key="a"), held("POST", key="b")
    for one in (first, again, other):
        keeper.on_request(one)
        if one.done == ["go"]:
            keeper.on_reply(one)
    assert (first.done, again.done) == (["go", "lose"], ["fail reset before 58030"])
    assert other.done == ["go", "deliver"]


async def test_the_first_caller_that_gives_up_on_silences_the_link_for_every_run() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    keeper.begin(Injection(at("SELECT"), FaultKind.SILENT))
    (waiting,) = through(keeper, "SELECT")
    other = keeper.begin(Injection(at("COMMIT"), FaultKind.SILENT))
    (passing,) = through(keeper, "SELECT")
    assert passing.done == ["go", "deliver"]
    keeper.on_close("app->postgres", 1, waiting)
    assert keeper.is_silent("app->postgres")
    (overtaken,) = through(keeper, "UPDATE")
    assert overtaken.done == ["fail stall 58030"]
    assert other.struck == overtaken.boundary
    keeper.heal()
    keeper.end()
    (healed,) = through(keeper, "UPDATE")
    assert healed.done == ["go", "deliver"]


async def test_what_never_comes_is_not_struck() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    turn = keeper.begin(Injection(at("SELECT", 2), FaultKind.ERROR))
    through(keeper, "SELECT", "COMMIT")
    assert turn.struck is None


async def test_a_kind_that_the_gate_refuses_leaves_the_message_alone_and_says_why() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    turn = keeper.begin(Injection(at("COPY"), FaultKind.ERROR))
    one = held("COPY", refuses="no error within COPY")
    keeper.on_request(one)
    assert one.done == ["go"]
    assert (turn.struck, turn.refused) == (None, "no error within COPY")


async def test_a_kill_that_fails_is_told_and_the_message_goes_on() -> None:
    def survives() -> None:
        raise HarnessError("app survived SIGKILL")

    keeper = SweepGatekeeper(asyncio.get_running_loop())
    turn = keeper.begin(Injection(at("COMMIT"), FaultKind.KILL_AFTER, survives))
    (one,) = through(keeper, "COMMIT")
    assert one.done == ["go", "deliver"]
    assert str(turn.failed) == "app survived SIGKILL"


async def test_a_connection_that_cannot_be_followed_makes_the_turn_worthless() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    keeper.begin()
    keeper.on_error("app->postgres", 3, "TLS")
    with pytest.raises(HarnessError, match="app->postgres, connection 3: TLS"):
        keeper.end()
    keeper.begin()
    keeper.end()


async def test_a_turn_is_quiet_once_everything_is_answered_or_gone() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    turn = keeper.begin()
    answered, gone = held("SELECT"), held("SELECT")
    keeper.on_request(answered)
    keeper.on_request(gone)
    with pytest.raises(DeadlineExceeded, match="2 boundaries"):
        await keeper.quiet(turn, within_s=0.01)
    asyncio.get_running_loop().call_soon(keeper.on_reply, answered)
    asyncio.get_running_loop().call_soon(keeper.on_close, "app->postgres", 1, gone)
    await keeper.quiet(turn, within_s=5)


async def test_an_answer_of_an_earlier_turn_belongs_to_it() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    earlier, one = keeper.begin(), held("SELECT")
    keeper.on_request(one)
    later = keeper.begin(Injection(at("SELECT"), FaultKind.ANSWER_LOST))
    keeper.on_reply(one)
    assert one.done == ["go", "deliver"]
    assert later.struck is None
    assert earlier.crossings[0].reply is not None


async def test_what_a_starting_replica_sends_is_not_taken_for_the_run_of_another() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    starting = [False]
    keeper.begin(replica=0, crowded=lambda: starting[0])
    through(keeper, "SELECT")  # on connection 1, while no other replica is active
    starting[0] = True
    turn = keeper.begin(
        Injection(at("COMMIT"), FaultKind.RESET_BEFORE), replica=0, crowded=lambda: starting[0]
    )
    foreign, own = held("COMMIT", connection=2), held("COMMIT")
    keeper.on_request(foreign)
    keeper.on_request(own)
    assert (foreign.done, own.done) == (["go"], ["fail reset before"])
    assert [crossing.boundary.connection for crossing in turn.crossings] == [1]


async def test_a_replica_without_a_known_connection_may_open_one_while_another_starts() -> None:
    keeper = SweepGatekeeper(asyncio.get_running_loop())
    keeper.begin(replica=0)
    through(keeper, "SELECT")
    keeper.on_close("app->postgres", 1, None)
    turn = keeper.begin(Injection(at("COMMIT"), FaultKind.RESET_BEFORE), replica=0, crowded=lambda: True)
    (one,) = through(keeper, "COMMIT")
    assert one.done == ["fail reset before"]
    assert turn.struck is one.boundary


async def test_a_turn_is_not_quiet_while_its_kill_is_under_way() -> None:
    keeper, seen = SweepGatekeeper(asyncio.get_running_loop()), []
    turn = keeper.begin(
        Injection(at("COMMIT"), FaultKind.KILL_AFTER, lambda: seen.append(turn.in_flight)), replica=0
    )
    through(keeper, "COMMIT")
    assert (seen, turn.in_flight) == ([1], 0)
