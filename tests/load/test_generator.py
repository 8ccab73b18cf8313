"""The generator's process on a town: open arrivals, latency from the intended start, no leftovers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from overbooked.descriptor import Descriptor
from overbooked.load.generator import GeneratorLost, generate
from overbooked.load.plan import LoadPlan, schedule
from overbooked.targets.adapter import Account, Money, Slot
from tests.load.samples import profile
from tests.targets.town import Call, Town

TOWN = Descriptor(name="town", adapter="tests.targets.town:TownHall", root=Path(__file__).parents[2])


def plan(url: str, **changes: object) -> LoadPlan:
    wanted = profile(**changes)
    return LoadPlan.of(
        TOWN,
        wanted,
        doors=[url],
        people=[Account(name, f"{name}@example.com") for name in ("Ana", "Ben", "Eve")],
        slots=[Slot(f"s{n}", wanted.capacity, Money(100)) for n in range(wanted.slots)],
        arrivals=schedule(wanted, seed=1, doors=1),
    )


async def test_every_arrival_is_sent_and_every_request_recorded():
    async with Town() as town:
        planned = plan(town.url, journeys={"book": 3, "book_and_cancel": 1}, slots=60)
        seen = await generate(planned, processes=2)
    assert (seen.intended, seen.sent, seen.unfinished, seen.mistakes) == (40, 40, 0, [])
    assert len(seen.visits) == len(seen.lag) == 40
    assert len(seen.operations) == len(town.calls) > 40
    keys = [op.args["key"] for op in seen.history.only("book")]
    assert sorted(keys) == sorted(arrival.key for arrival in planned.arrivals)
    sold = {op.result for op in seen.history.only("book") if op.ok}
    assert sold == {f"b{n + 1}" for n in range(len(town.sold))}
    assert {op.outcome.value for op in seen.history.only("cancel")} == {"ok"}


async def test_a_stall_shows_in_the_latency_of_all_who_came_during_it():
    def stalling(town: Town) -> Callable[[Call], Awaitable[tuple[int, object]]]:
        gate = asyncio.Event()

        async def reply(call: Call) -> tuple[int, object]:
            if len(town.calls) == 10:
                asyncio.get_running_loop().call_later(1.5, gate.set)
            if len(town.calls) >= 10:
                await gate.wait()
            return 201, {"id": f"b{len(town.calls)}"}

        return reply

    async with Town() as town:
        town.reply = stalling(town)  # type: ignore[assignment]
        seen = await generate(plan(town.url, patience_s=5))
    # With sequential users only one would have waited; here each of the thirty arrivals did.
    assert seen.sent == 40
    assert seen.visits.ms(50) > 500
    assert seen.visits.ms(95) > 1000
    assert seen.error_share == 0


async def test_requests_without_a_definite_answer_are_unknown_and_sent_once():
    async def reply(call: Call) -> tuple[int, object] | None:
        answers: list[tuple[int, object] | None] = [(503, {"type": "down"}), None, (409, {"type": "full"})]
        return answers[int(call.headers["x-key"].split("-")[1]) % 3]

    async with Town() as town:
        town.reply = reply  # type: ignore[assignment]
        seen = await generate(plan(town.url, rate=30))
    assert seen.outcomes == {"ok": 0, "refused": 10, "unknown": 20}
    assert seen.error_share == pytest.approx(2 / 3)
    assert len(town.calls) == 30


async def test_an_answer_the_adapter_cannot_read_is_a_mistake_of_ours():
    async def reply(call: Call) -> tuple[int, object]:
        return 400, {"no": "type"}

    async with Town() as town:
        town.reply = reply  # type: ignore[assignment]
        seen = await generate(plan(town.url, rate=3))
    assert "cannot read the answer to book" in seen.mistakes[0]
    assert seen.outcomes["unknown"] == 3


# -- failures of the process -------------------------------------------------------------------

NOWHERE = "http://127.0.0.1:1"
READY = "import sys; sys.stdin.readline(); print('ready', flush=True); sys.stdin.readline();"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit('no such module')", "ended with 1; its last lines: no such module"),
        ("import sys; sys.stdin.readline(); print('hello', flush=True)", "expected `ready`, found b'hello"),
        (READY + "sys.exit(7)", "ended with 7"),
        (READY + "import os; os.kill(os.getpid(), 9)", "ended with -9"),
        (READY + "print('{}')", "cannot be read"),
        (READY + "print('{', flush=True); sys.exit(1)", "ended with 1"),
    ],
)
async def test_a_lost_process_is_named_with_its_last_words(script: str, said: str):
    with pytest.raises(GeneratorLost, match=said):
        await generate(plan(NOWHERE), command=(sys.executable, "-c", script))


async def test_a_process_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("overbooked.load.generator.START_S", 0.2)
    with pytest.raises(GeneratorLost, match=r"waited 0\.2 s for it to be ready"):
        await generate(plan(NOWHERE), command=(sys.executable, "-c", "import sys; sys.stdin.read()"))


async def test_a_cancelled_load_leaves_no_process(monkeypatch: pytest.MonkeyPatch):
    spawned: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    spawn = asyncio.create_subprocess_exec

    async def noted(*command: str, **options: Any) -> asyncio.subprocess.Process:
        process = await spawn(*command, **options)
        spawned.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    command = (sys.executable, "-c", READY + "sys.stdin.read()")
    task = asyncio.create_task(generate(plan(NOWHERE), command=command))
    process = await asyncio.wait_for(spawned.get(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert process.returncode == -9


async def test_a_load_needs_a_process():
    with pytest.raises(ValueError, match="at least one"):
        await generate(plan(NOWHERE), processes=0)
