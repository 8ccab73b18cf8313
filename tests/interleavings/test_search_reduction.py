"""The reduced search reaches every final state that brute force reaches, without redundant schedules."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from overbooked.interleavings.search.search import ScheduleSearch
from tests.interleavings.toy_programs import Gone, Op, Program, WaitsForEver, World, brute_force, play

_TOO_MANY = 400
_quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

Final = tuple[object, ...]


class TooMany(Exception):
    pass


def finals_of(search: ScheduleSearch, programs: Sequence[Program]) -> set[Final]:
    """Return every final state that the search reaches; asserts that no schedule runs twice."""
    finals: set[Final] = set()
    seen = set()
    while (prefix := search.next()) is not None:
        world = play(programs, prefix.actors)
        assert search.learn(world.finished()), search.notes
        seen.add(tuple(step.actor for step in world.steps))
        finals.add(world.final)
    assert search.counts.run == len(seen)
    assert search.exhausted
    assert not search.notes
    return finals


def all_finals(programs: Sequence[Program], bound: int | None) -> tuple[int, set[Final]]:
    finals: set[Final] = set()
    seen = 0

    def see(world: World) -> None:
        nonlocal seen
        seen += 1
        finals.add(world.final)
        if seen > _TOO_MANY:
            raise TooMany

    return brute_force(programs, bound, see), finals


names = st.sampled_from("xyz")
values = st.integers(0, 3)
simple = st.one_of(
    st.builds(Op, st.sampled_from(["local", "commit"])),
    st.builds(Op, st.sampled_from(["read", "lock", "fail", "claim"]), names),
    st.builds(Op, st.sampled_from(["write", "update", "single"]), names, values),
)
groups = st.one_of(st.tuples(simple), st.tuples(simple, simple))
branches = st.builds(
    lambda name, more: (Op("branch", name, more=tuple(more)),),
    names,
    st.lists(st.tuples(simple), min_size=1, max_size=2),
)


def actors(number: int, most: int) -> st.SearchStrategy[list[list[tuple[Op, ...]]]]:
    program = st.lists(st.one_of(groups, groups, branches), min_size=1, max_size=most)
    ended = program.map(lambda ops: [*ops, (Op("commit"),)])
    return st.lists(ended, min_size=number, max_size=number)


@_quick
@given(programs=st.one_of(actors(2, 4), actors(3, 2)), bound=st.sampled_from([0, 1, 2, 3, None]))
def test_the_reduced_search_reaches_the_final_states_of_brute_force(
    programs: Sequence[Program], bound: int | None
) -> None:
    try:
        schedules, wanted = all_finals(programs, bound)
    except (TooMany, WaitsForEver):
        assume(False)
    search = ScheduleSearch(len(programs), preemptions=bound)
    assert finals_of(search, programs) == wanted
    assert search.counts.run <= schedules


@_quick
@given(programs=st.one_of(actors(2, 3), actors(3, 1)), bound=st.sampled_from([0, 1, 2]))
def test_without_reduction_exactly_the_schedules_of_brute_force_are_run(
    programs: Sequence[Program], bound: int
) -> None:
    try:
        schedules, wanted = all_finals(programs, bound)
    except (TooMany, WaitsForEver):
        assume(False)
    search = ScheduleSearch(len(programs), preemptions=bound, reduce=False)
    assert finals_of(search, programs) == wanted
    assert search.counts.run == schedules


def op(text: str) -> Op:
    kind, _, rest = text.partition(" ")
    name, _, value = rest.partition(" ")
    return Op(kind, name, int(value or 0))


def program(text: str) -> list[tuple[Op, ...]]:
    """Parse `lock x; write x 1, read y; commit`: commas separate messages that are sent at once."""
    return [tuple(op(one.strip()) for one in group.split(",")) for group in text.split(";")]


BOOKS = "local; read x; read slots; update slots 1; update bookings 1; commit"

NAMED = {
    "what only a third order reaches": ["write x 1", "read x; write y 1", "read y; read x"],
    "a lock freed by a commit lets a writer go on": [
        "lock x; read z; commit",
        "update x 1; read z; commit",
        "write z 3; read x",
    ],
    "a chain of statements that free one another": [
        "lock x; commit",
        "single x 1; read y",
        "single x 2; write y 1",
    ],
    "a deadlock, and who dies of it": ["lock x; lock y; commit", "lock y; lock x; commit"],
    "a deadlock of three": [
        "lock x; lock y; commit",
        "lock y; lock z; commit",
        "lock z; lock x; commit",
    ],
    "a refusal that frees the locks of its transaction": [
        "update x 1; fail y; read x; commit",
        "update x 2; commit",
        "write y 1",
    ],
    "who waited is refused and frees what others wait for": [
        "claim x; commit",
        "lock y; claim x; read y; commit",
        "update y 1; commit",
    ],
    "messages sent at once, one of them waits": ["lock x; write y 1; commit", "update x 1, read y; commit"],
    "two of one actor's messages wait for two others": [
        "lock x; read z; commit",
        "lock y; write z 1; commit",
        "update x 1, update y 1; commit",
    ],
    "three who book": [BOOKS, BOOKS, BOOKS],
}


@pytest.mark.parametrize("bound", [0, 1, 2])
@pytest.mark.parametrize("name", NAMED)
def test_known_hard_programs_lose_no_final_state(name: str, bound: int) -> None:
    programs = [program(text) for text in NAMED[name]]
    wanted: set[Final] = set()
    schedules = brute_force(programs, bound, lambda world: wanted.add(world.final))
    search = ScheduleSearch(len(programs), preemptions=bound)
    assert finals_of(search, programs) == wanted
    assert search.counts.run <= schedules


def test_an_end_that_every_step_of_is_known_is_run_all_the_same() -> None:
    """Two independent races: after three of four runs, everything about the fourth is known."""
    programs = [program(f"single {name} {n}") for name in "xy" for n in range(2)]
    wanted: set[Final] = set()
    brute_force(programs, None, lambda world: wanted.add(world.final))
    assert len(wanted) == 4
    assert finals_of(ScheduleSearch(4, preemptions=None), programs) == wanted


def test_reduction_leaves_most_schedules_out() -> None:
    programs = [program(BOOKS)] * 3
    reduced, full = ScheduleSearch(3), ScheduleSearch(3, reduce=False)
    assert finals_of(reduced, programs) == finals_of(full, programs)
    assert reduced.counts.run * 2 < full.counts.run


# -- polls -----------------------------------------------------------------------------------------

POLLS = "poll flag; read x; write x 1"
RAISES = "write x 1; write flag 1; write x 2"


@pytest.mark.parametrize("reduce", [True, False])
@pytest.mark.parametrize("bound", [0, 1, 2])
@pytest.mark.parametrize("programs", [[POLLS, RAISES], [POLLS, RAISES, POLLS], [RAISES, POLLS, "read x"]])
def test_who_polls_in_vain_waits_for_progress_of_others(
    programs: list[str], bound: int, reduce: bool
) -> None:
    parsed = [program(text) for text in programs]
    wanted: set[Final] = set()
    schedules = brute_force(parsed, bound, lambda world: wanted.add(world.final))
    search = ScheduleSearch(len(parsed), preemptions=bound, reduce=reduce)
    assert finals_of(search, parsed) == wanted
    assert search.counts.run == schedules or reduce


def test_leaving_a_poll_in_vain_is_no_preemption() -> None:
    world = play([program(POLLS), program(RAISES)], ())
    assert [step.actor for step in world.steps] == [0, 0, 1, 1, 1, 0, 0, 0]
    assert world.preemptions == 0


# -- invisible to the gate --------------------------------------------------------------------------

HIDDEN = {
    "a lock inside the process around the whole of it": [
        "local; enter m; read x; write x 1; leave m; local",
        "local; enter m; read x; write x 2; leave m",
    ],
    "a lock inside the process that is waited for at a lock of the database": [
        "enter m; lock y; read x; leave m; commit",
        "enter m; update y 1; leave m; commit",
        "update y 2; commit",
    ],
    "an order that only the process knows": [
        "local; enter m; write x 1; leave m; local",
        "local; enter m; leave m; local",
    ],
}


def honest(programs: Sequence[Program], bound: int) -> bool:
    """Whether every final state is reached, or the search does not report that it is exhausted."""
    wanted: set[Final] = set()
    brute_force(programs, bound, lambda world: wanted.add(world.final))
    search = ScheduleSearch(len(programs), preemptions=bound)
    found: set[Final] = set()
    while (prefix := search.next()) is not None:
        try:
            world = play(programs, prefix.actors)
        except Gone as why:
            search.diverged(str(why))
            continue
        search.learn(world.finished())
        found.add(world.final)
    assert found == wanted or (not search.exhausted and search.notes)
    return search.exhausted


@pytest.mark.parametrize("bound", [0, 1, 2])
@pytest.mark.parametrize("name", HIDDEN)
def test_what_hides_inside_the_process_is_reached_or_told(name: str, bound: int) -> None:
    programs = [program(text) for text in HIDDEN[name]]
    assert honest(programs, bound) or bound


hiding = st.one_of(groups, groups, st.tuples(st.builds(Op, st.just("enter"), st.just("m"))))


@_quick
@given(
    programs=st.lists(
        st.lists(hiding, min_size=1, max_size=3).map(
            lambda ops: [*ops, (Op("commit"),), (Op("leave", "m"),)]
        ),
        min_size=2,
        max_size=3,
    ),
    bound=st.sampled_from([0, 1, 2]),
)
def test_no_final_state_is_lost_in_silence(programs: Sequence[Program], bound: int) -> None:
    try:
        all_finals(programs, bound)
        honest(programs, bound)
    except (TooMany, WaitsForEver):
        assume(False)
