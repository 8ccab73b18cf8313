"""The model of a check: a sequential specification as a pure transition relation.

A model splits a history into partitions that are checked one by one, and reduces each operation to a
*move*: a small hashable value with everything that `step` reads. Equal moves have equal effects.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from overbooked.histories.history import History
from overbooked.histories.operation import Operation

S = TypeVar("S", bound=Hashable)
M = TypeVar("M", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Entry(Generic[M]):
    """An operation with its move and the interval in which it took effect.

    `returned_at` is None when the operation may take effect at any later moment or never. An `optional`
    entry may also have had no effect at all.
    """

    operation: Operation
    move: M
    called_at: float
    returned_at: float | None
    optional: bool = False

    @classmethod
    def of(cls, operation: Operation, move: M) -> Entry[M]:
        """The entry of one operation; an unknown outcome has no return, even if the client gave up."""
        returned_at = None if operation.unknown else operation.completed_at
        return cls(operation, move, operation.invoked_at, returned_at)


@dataclass(frozen=True, slots=True)
class Partition(Generic[S, M]):
    """Operations that are independent of all others, with their initial state."""

    key: str
    initial: S
    entries: tuple[Entry[M], ...]


@dataclass(frozen=True, slots=True)
class Refutation:
    """Operations without a legal order, found without search; `placed` is the part that has one."""

    partition: str
    operations: tuple[Operation, ...]
    placed: tuple[Operation, ...]


class Model(Protocol[S, M]):
    """A sequential specification; every method is a pure function."""

    def prepare(self, history: History, *, apart: bool = False) -> Sequence[Partition[S, M]]:
        """Split a history. Raises BadHistory for an unknown verb or argument.

        With `apart`, entries are independent: making one optional does not change the meaning of
        another. Without it, a model may use the whole history to simplify moves.
        """

    def refute(self, history: History) -> Refutation | None:
        """A cheap proof that the history has no legal order, or None. Sound, not complete."""

    def step(self, state: S, move: M) -> tuple[S, ...]:
        """The states that the move can lead to with its observed outcome; empty if that is impossible.

        A move of unknown outcome leads to the states of every possible effect.
        """

    def observes(self, move: M) -> bool:
        """Whether the move leaves every state unchanged: a read, or a refusal without effect."""

    def needs(self, move: M) -> Hashable | None:
        """The object that must not have ended before the move, such as the booking it changes."""

    def ends(self, move: M) -> Hashable | None:
        """The object that the move ends for good: no move that needs it can follow."""
