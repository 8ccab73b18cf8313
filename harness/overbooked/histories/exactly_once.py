"""Two checks that need no search: effects that did not happen exactly once, and lost updates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from overbooked.histories.history import History
from overbooked.histories.operation import Operation


@dataclass(frozen=True, slots=True)
class Miscount:
    """An idempotency key whose effect was found more or less often than the answers allow."""

    key: str
    found: int
    at_least: int
    at_most: int
    attempts: tuple[Operation, ...]


def miscounted(history: History, effects: Iterable[str]) -> tuple[Miscount, ...]:
    """The effects that did not happen exactly once.

    Attempts with the same `key` argument have one effect in common. If any of them succeeded, the effect
    must exist exactly once; if all were refused, not at all; if an outcome is unknown, at most once. An
    effect without any attempt is a miscount too.

    Args:
        history: operations with a `key` argument; others are ignored.
        effects: the key of each effect found in durable state, repeated for each occurrence.
    """
    attempts: dict[str, list[Operation]] = {}
    for op in history:
        if op.args.get("key") is not None:
            attempts.setdefault(op.args["key"], []).append(op)
    found = Counter(effects)
    miscounts = []
    for key in dict.fromkeys([*attempts, *found]):
        tries = attempts.get(key, [])
        at_least = int(any(op.ok for op in tries))
        at_most = int(any(not op.refused for op in tries))
        if not at_least <= found[key] <= at_most:
            miscounts.append(Miscount(key, found[key], at_least, at_most, tuple(tries)))
    return tuple(miscounts)


@dataclass(frozen=True, slots=True)
class LostUpdate:
    """Several acknowledged updates of one subject that are based on the same state of it."""

    subject: str
    based_on: Hashable
    operations: tuple[Operation, ...]


def lost_updates(
    history: History, *, subject: str = "subject", based_on: str = "based_on"
) -> tuple[LostUpdate, ...]:
    """Find updates that overwrote another update without having read it.

    Each update reads a state that occurs once, such as a version, and writes the next one. If two
    acknowledged updates are based on the same state, the later one overwrote the earlier one. Attempts
    with the same `key` argument are one update.

    Args:
        subject: the argument that names the updated object.
        based_on: the argument that names the state the update is based on.
    """
    updates: dict[tuple[str, Hashable], dict[object, Operation]] = {}
    for number, op in enumerate(history):
        if op.ok and subject in op.args and based_on in op.args:
            same = updates.setdefault((op.args[subject], op.args[based_on]), {})
            same.setdefault(op.args.get("key", number), op)
    return tuple(
        LostUpdate(what, state, tuple(same.values()))
        for (what, state), same in updates.items()
        if len(same) > 1
    )
