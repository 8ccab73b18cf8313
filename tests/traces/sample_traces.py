"""Sample traces: two customers, one place."""

from __future__ import annotations

from typing import Any

from overbooked.traces.trace import Trace, TraceActor, TraceStep


def step(actor: int, shape: str, protocol: str = "postgres", **more: Any) -> TraceStep:
    """A step on the usual link of its protocol; its verb is the first word of its shape."""
    link = {"postgres": "app->postgres", "redis": "app->redis", "http": "app->payments"}[protocol]
    known = {"connection": actor + 1, "text": shape, "enabled": (0, 1), "reply": "OK"}
    return TraceStep(actor, link, protocol, verb=shape.split(maxsplit=1)[0], shape=shape, **{**known, **more})


def trace(*steps: TraceStep, answers: tuple[str, ...] = ("201", "409"), **more: Any) -> Trace:
    """A trace of ana, ben and maybe cem."""
    actors = []
    for number, answer in enumerate(answers):
        own = [n for n, one in enumerate(steps) if one.actor == number]
        ends = {"first_step": own[0], "last_step": own[-1]} if own else {}
        actors.append(TraceActor(("ana", "ben", "cem")[number], "book", number, answer, **ends))
    return Trace(tuple(actors), tuple(steps), **more)


LOST_CHECK = trace(
    step(0, "BEGIN"),
    step(0, "SELECT id, taken FROM slots WHERE id = $1", values=("7",)),
    step(1, "BEGIN", preempted=True),
    step(1, "SELECT id, taken FROM slots WHERE id = $1", values=("7",)),
    step(1, "INSERT INTO bookings (id) VALUES ($1)", values=("bbe3eedc-3bf5-4c6e-ad39-4f83c1274b27",)),
    step(1, "COMMIT"),
    step(0, "INSERT INTO bookings (id) VALUES ($1)"),
    step(0, "COMMIT"),
    answers=("201", "201"),
)
BLOCKED = trace(
    step(0, "BEGIN"),
    step(0, "SELECT taken FROM slots WHERE id = $1 FOR UPDATE"),
    step(1, "SELECT taken FROM slots WHERE id = $1 FOR UPDATE", blocked_by=(0,), blocked_until=5),
    step(0, "INSERT INTO bookings (id) VALUES ($1)"),
    step(0, "COMMIT"),
    step(1, "ROLLBACK"),
)
