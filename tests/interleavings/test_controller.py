"""One schedule on a simulated server: the order of steps, and the report if no actor can continue."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from overbooked.interleavings.scheduler.controller import LearnedBehaviour
from overbooked.interleavings.scheduler.strategy import ScheduleDiverged, SchedulingPoint
from tests.interleavings.fake_database import FAST, Deadlock, Program, Server, Session, play


def increments(server: Server, key: str = "x") -> Program:
    """Read, then write the value plus one: loses an update if another write comes between."""
    session = server.session()

    async def program() -> int:
        await session.begin()
        seen = await session.read(key)
        await session.write(key, seen + 1)
        await session.commit()
        return seen

    return program


def increments_safely(server: Server, *keys: str) -> Program:
    session = server.session()

    async def program() -> None:
        await session.begin()
        for key in keys:
            await session.write(key, await session.lock(key) + 1)
        await session.commit()

    return program


class TestOrder:
    async def test_actors_go_one_after_another_without_a_schedule(self) -> None:
        server = Server()
        done = await play(server, increments(server), increments(server))
        assert done.trace.schedule == (0, 0, 0, 0, 1, 1, 1, 1)
        assert server.data == {"x": 2}
        assert done.trace.preemptions == 0
        assert [actor.answer for actor in done.trace.actors] == ["201", "201"]

    async def test_a_schedule_is_followed_to_the_letter(self) -> None:
        server = Server()
        schedule = (0, 0, 1, 1, 0, 0, 1, 1)
        done = await play(server, increments(server), increments(server), schedule=schedule)
        assert done.trace.schedule == schedule
        assert server.data == {"x": 1}, "both read before either wrote: one update is lost"
        assert done.trace.preemptions == 2

    async def test_what_could_have_gone_instead_is_told(self) -> None:
        server = Server()
        done = await play(server, increments(server), increments(server), schedule=(1, 1, 0))
        assert [step.enabled for step in done.trace.steps[:4]] == [(0, 1)] * 4
        assert [step.preempted for step in done.trace.steps[:4]] == [False, False, True, False]

    async def test_a_schedule_that_no_longer_applies_says_so(self) -> None:
        server = Server()
        with pytest.raises(ScheduleDiverged, match="step 4 of the schedule is actor 0's"):
            await play(server, increments(server), increments(server), schedule=(0,) * 5)
        assert server.data["x"] == 2, "whatever was held is let go"

    async def test_the_trace_of_a_schedule_is_the_same_every_time(self) -> None:
        shapes = set()
        for _ in range(20):
            server = Server()
            first, second = increments_safely(server, "x", "y"), increments_safely(server, "x")
            done = await play(server, first, second, schedule=(0, 0, 1, 1, 0, 0))
            shapes.add(done.trace.shape)
        assert len(shapes) == 1

    async def test_a_person_may_take_his_time_to_choose(self) -> None:
        server = Server()

        async def choose(choice: SchedulingPoint) -> int:
            await asyncio.sleep(0)
            return choice.enabled[-1]

        done = await play(server, increments(server), increments(server), choose=choose)
        assert done.trace.schedule == (1, 1, 1, 1, 0, 0, 0, 0)


class TestLocks:
    async def test_who_waits_for_an_actor_is_passed_over_until_he_comes_free(self) -> None:
        server = Server()
        first, second = increments_safely(server, "x"), increments_safely(server, "x")
        done = await play(server, first, second, schedule=(0, 0, 1, 1))
        assert done.trace.schedule == (0, 0, 1, 1, 0, 0, 1, 1)
        waiting = done.trace.steps[3]
        assert (waiting.blocked_by, waiting.blocked_until) == ((0,), 6)
        assert server.data == {"x": 2}
        assert done.trace.preemptions == 1, "being blocked is no preemption"

    async def test_nobody_is_asked_who_blocks_when_nothing_does(self) -> None:
        server = Server()
        await play(server, increments(server), increments(server))
        assert server.looks == 0

    async def test_three_who_wait_for_each_other_come_free_in_turn(self) -> None:
        server = Server()
        programs = [increments_safely(server, "x") for _ in range(3)]
        done = await play(server, *programs, schedule=(0, 0, 1, 1, 2, 2))
        assert server.data == {"x": 3}
        assert {step.actor for step in done.trace.steps if step.blocked_by} == {1, 2}
        assert not done.trace.disturbed

    async def test_a_deadlock_ends_as_the_server_ends_it(self) -> None:
        server = Server()

        def crossing(one: str, other: str) -> Program:
            session = server.session()

            async def program() -> str:
                await session.begin()
                try:
                    await session.lock(one)
                    await session.lock(other)
                except Deadlock:
                    await session.rollback()
                    return "killed"
                await session.commit()
                return "done"

            return program

        done = await play(server, crossing("x", "y"), crossing("y", "x"), schedule=(0, 0, 1, 1, 0, 1))
        assert not done.trace.disturbed
        errors = [step.error for step in done.trace.steps if step.error]
        assert errors == ["40P01"]

    async def test_a_blocker_that_is_no_actor_is_named(self) -> None:
        server = Server()
        server.locks["x"] = 77
        done = await play(server, increments_safely(server, "x"))
        assert "no actor holds the lock: backend 77" in done.trace.disturbed

    async def test_a_blocker_that_is_no_actor_is_waited_for_a_while(self) -> None:
        server = Server()
        server.locks["x"] = 77
        asyncio.get_running_loop().call_later(0.01, server.release, 77)
        done = await play(server, increments_safely(server, "x"))
        assert not done.trace.disturbed
        assert server.data == {"x": 1}


class TestNoProgress:
    async def test_a_lock_inside_the_process_parks_who_waits_for_it(self) -> None:
        server = Server()
        mutex = asyncio.Lock()

        def guarded(session: Session) -> Program:
            async def program() -> None:
                await session.read("before")
                async with mutex:
                    await session.write("x", await session.read("x") + 1)

            return program

        experience = LearnedBehaviour()
        await play(server, guarded(server.session()), experience=experience, learning=True)
        server.data.clear()
        two = [guarded(server.session()) for _ in range(2)]
        experience.follows |= {(1, before, after) for _, before, after in experience.follows}
        done = await play(server, *two, schedule=(0, 1, 0, 0), experience=experience)
        assert server.data == {"x": 2}
        assert [step.parked for step in done.trace.of(1)] == [True, False, False]
        assert not done.trace.disturbed

    async def test_a_park_that_is_known_is_waited_for_less(self) -> None:
        server = Server()
        experience = LearnedBehaviour(parks={(0, "SELECT x")})
        slow = asyncio.Event()

        async def program() -> None:
            await server.session().read("x")
            await slow.wait()

        limits = replace(FAST, progress_s=60, parked_before_s=0.005, stuck_s=0.02)
        done = await play(server, program, limits=limits, experience=experience)
        assert "no wire progress" in done.trace.disturbed

    async def test_nothing_hangs_and_what_each_did_last_is_told(self) -> None:
        server = Server()
        never = asyncio.Event()

        async def program() -> None:
            await server.session().read("x")
            await never.wait()

        done = await play(server, program)
        assert "no wire progress" in done.trace.disturbed
        assert "ana has sent nothing more after 'SELECT x'" in done.trace.disturbed

    async def test_who_polls_waits_for_progress_of_another(self) -> None:
        server = Server()
        polling, writing = server.session(), server.session()

        async def polls() -> None:
            while await polling.poll("ready") == 0:
                pass

        async def writes() -> None:
            await writing.write("ready", 1)

        done = await play(server, polls, writes)
        assert len(done.trace.of(0)) < 10
        assert done.trace.notes["yielded"] == 1
        assert not done.trace.disturbed

    async def test_who_looks_three_times_and_goes_on_was_not_polling(self) -> None:
        server = Server()
        looking, other = server.session(), server.session()

        async def looks_and_writes() -> None:
            for _ in range(3):
                await looking.read("clock")
            await looking.write("x", 1)

        async def reads() -> None:
            await other.read("x")

        done = await play(server, looks_and_writes, reads)
        assert done.trace.schedule == (0, 0, 0, 0, 1)
        assert "yielded" not in done.trace.notes

    async def test_what_an_actor_repeats_while_he_is_alone_is_no_waiting_for_others(self) -> None:
        server = Server()
        experience = LearnedBehaviour()

        def looks_often() -> Program:
            session = server.session()

            async def program() -> None:
                for _ in range(6):
                    await session.read("clock")

            return program

        await play(server, looks_often(), looks_often(), experience=experience, learning=True)
        done = await play(server, looks_often(), looks_often(), experience=experience)
        assert done.trace.schedule == (0,) * 6 + (1,) * 6
        assert "yielded" not in done.trace.notes

    async def test_an_endless_loop_teaches_nothing_of_what_is_usual(self) -> None:
        experience = LearnedBehaviour()
        for repeated in range(40):
            experience.learn_repeats(0, "SELECT ready", repeated)
        assert experience.usual_repeats(0, "SELECT ready") == 0

    async def test_a_schedule_has_a_deadline(self) -> None:
        server = Server()
        session = server.session()

        async def endless() -> None:
            while not session.server.data.get("enough"):
                await session.read("x")

        async def choose(choice: SchedulingPoint) -> int:
            await asyncio.sleep(0.005)
            return choice.usual

        asyncio.get_running_loop().call_later(0.3, server.data.update, {"enough": 1})
        done = await play(server, endless, choose=choose, limits=replace(FAST, schedule_s=0.1))
        assert "not over within 0.1 s" in done.trace.disturbed


class TestWhoseItIs:
    async def test_a_transaction_keeps_its_owner_whoever_moves(self) -> None:
        server = Server()
        done = await play(
            server, increments(server, "x"), increments(server, "y"), schedule=(0, 1, 0, 1, 0, 1, 0, 1)
        )
        for number in (0, 1):
            assert [step.verb for step in done.trace.of(number)] == ["BEGIN", "SELECT", "UPDATE", "COMMIT"]

    async def test_what_comes_after_the_response_is_still_the_actors(self) -> None:
        server = Server()
        session = server.session()
        tasks: set[asyncio.Task[None]] = set()

        async def answers_first() -> None:
            await session.begin()
            await session.write("x", 1)
            tasks.add(asyncio.create_task(session.commit()))

        done = await play(server, answers_first)
        assert [step.verb for step in done.trace.of(0)] == ["BEGIN", "UPDATE", "COMMIT"]
        assert not server.locks

    async def test_a_write_that_no_actor_owns_is_named(self) -> None:
        server = Server()
        stranger = server.session()
        tasks: set[asyncio.Task[None]] = set()

        def choose(choice: SchedulingPoint) -> int:
            if choice.number == 1:
                tasks.add(asyncio.create_task(stranger.write("y", 1)))
            return choice.usual

        slow = server.session()

        async def program() -> None:
            await slow.begin()
            await slow.read("x")
            await asyncio.sleep(0.01)
            await slow.commit()

        async def two(choice: SchedulingPoint) -> int:
            chosen = choose(choice)
            await asyncio.sleep(0.002)
            return chosen

        done = await play(server, program, choose=two)
        assert done.trace.disturbed.startswith("a write that no actor owns: 'UPDATE y'")

    async def test_who_sends_several_at_once_is_learnt_alone(self) -> None:
        server = Server()
        one, other = server.session(), server.session()

        async def gathers() -> None:
            await asyncio.gather(one.read("b"), other.read("a"))

        experience = LearnedBehaviour()
        await play(server, gathers, experience=experience, learning=True)
        assert experience.gathers == {0}
        done = await play(server, gathers, experience=experience)
        assert [step.text for step in done.trace.steps] == ["SELECT a", "SELECT b"]
        assert not done.trace.disturbed

    async def test_what_the_service_gives_up_while_it_is_held_is_no_finding(self) -> None:
        server = Server()
        session = server.session()

        async def program() -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.read("x"), 0.01)

        async def choose(choice: SchedulingPoint) -> int:
            keeper = server.link.keeper
            assert keeper is not None
            keeper.on_close(server.link.name, session.number, server.asked[-1])
            return choice.usual

        done = await play(server, program, choose=choose)
        assert done.trace.steps == ()
        assert done.trace.disturbed == "given up while it was held: 'SELECT x' on app->postgres"


class TestDisturbed:
    @pytest.mark.parametrize("code", ["57014", "25P03", "55P03"])
    async def test_a_time_limit_of_the_services_own_is_no_finding(self, code: str) -> None:
        server = Server()
        session = server.session()
        done = await play(server, lambda: session.fail(code))
        assert f"expired while its statement was held ({code})" in done.trace.disturbed

    async def test_a_lock_not_waited_for_is_the_statements_own_wish(self) -> None:
        server = Server()
        session = server.session()
        done = await play(server, lambda: session.fail("55P03", "SELECT x FOR UPDATE NOWAIT"))
        assert not done.trace.disturbed

    async def test_a_gate_that_cannot_follow_says_so(self) -> None:
        server = Server()

        def choose(choice: SchedulingPoint) -> int:
            keeper = server.link.keeper
            assert keeper is not None
            keeper.on_error(server.link.name, 3, "TLS")
            return choice.usual

        done = await play(server, increments(server), choose=choose)
        assert done.trace.disturbed == "the gate cannot follow connection 3 of app->postgres: TLS"

    async def test_what_goes_wrong_with_an_actor_is_raised(self) -> None:
        async def fails() -> None:
            raise LookupError("no such job")

        with pytest.raises(LookupError, match="no such job"):
            await play(Server(), fails)
