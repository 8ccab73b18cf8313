"""Models of registers and key-value stores, as in the literature and in recorded test histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from overbooked.histories.history import History
from overbooked.histories.model import Entry, Partition
from overbooked.histories.operation import BadHistory, Operation

Move: TypeAlias = tuple[Any, ...]


def _by_key(history: History) -> dict[str, list[Operation]]:
    keys: dict[str, list[Operation]] = {}
    for operation in history:
        keys.setdefault(str(operation.args.get("key", "")), []).append(operation)
    return keys


class _Plain:
    """Base of models without shortcuts: the search decides everything."""

    def refute(self, _history: History) -> None:
        return None

    def needs(self, move: Move) -> None:
        return None

    def ends(self, move: Move) -> None:
        return None


class RegisterModel(_Plain):
    """`read -> value`, `write(value)`, `cas(old, new)`; one register per `key`, initially None.

    A refused `cas` found another value. A refused read or write carries no information and is ignored.
    """

    def prepare(self, history: History, *, apart: bool = False) -> Sequence[Partition[Any, Move]]:
        partitions = []
        for key, operations in _by_key(history).items():
            telling = (op for op in operations if op.verb == "cas" or not op.refused)
            partitions.append(Partition(key, None, tuple(Entry.of(op, _register_move(op)) for op in telling)))
        return partitions

    def step(self, state: Any, move: Move) -> tuple[Any, ...]:
        match move:
            case ("read", value):
                return (state,) if state == value else ()
            case ("write", value):
                return (value,)
            case ("cas", old, new):
                return (new,) if state == old else ()
            case ("cas refused", old):
                return (state,) if state != old else ()
        raise AssertionError(move)

    def observes(self, move: Move) -> bool:
        return move[0] in {"read", "cas refused"}


def _register_move(operation: Operation) -> Move:
    match operation.verb:
        case "read":
            return ("read", operation.result)
        case "write":
            return ("write", operation.args["value"])
        case "cas" if operation.refused:
            return ("cas refused", operation.args["old"])
        case "cas":
            return ("cas", operation.args["old"], operation.args["new"])
    raise BadHistory(f"a register model has the verbs read, write and cas, found: {operation}")


class KeyValueModel(_Plain):
    """`get -> value`, `put(value)`, `append(value)` on strings; every `key` is initially empty."""

    def prepare(self, history: History, *, apart: bool = False) -> Sequence[Partition[str, Move]]:
        return [
            Partition(
                key, "", tuple(Entry.of(op, _key_value_move(op)) for op in operations if not op.refused)
            )
            for key, operations in _by_key(history).items()
        ]

    def step(self, state: str, move: Move) -> tuple[str, ...]:
        verb, value = move
        if verb == "get":
            return (state,) if state == value else ()
        return (value,) if verb == "put" else (state + value,)

    def observes(self, move: Move) -> bool:
        return bool(move[0] == "get")


def _key_value_move(operation: Operation) -> Move:
    match operation.verb:
        case "get":
            return ("get", operation.result)
        case "put" | "append":
            return (operation.verb, operation.args["value"])
    raise BadHistory(f"a key-value model has the verbs get, put and append, found: {operation}")
