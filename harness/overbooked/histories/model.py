"""What a history is checked against: a sequential specification as a pure transition relation.

A model prepares a history into partitions that can be judged one by one, each operation reduced to a
*move*: a small hashable value with all that `step` looks at. Equal moves therefore act alike.
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
        """The entry of an operation by itself: unknown has no return, whenever its client gave up."""
        returned_at = None if operation.unknown else operation.completed_at
        return cls(operation, move, operation.invoked_at, returned_at)


@dataclass(frozen=True, slots=True)
class Partition(Generic[S, M]):
    """Operations that no operation outside can influence, with the state they start from."""

    key: str
    initial: S
    entries: tuple[Entry[M], ...]


@dataclass(frozen=True, slots=True)
class Refutation:
    """Operations that no order explains, found without search; `placed` of them can be ordered."""

    partition: str
    operations: tuple[Operation, ...]
    placed: tuple[Operation, ...]


class Model(Protocol[S, M]):
    """A sequential specification; every method is a pure function."""

    def prepare(self, history: History, *, apart: bool = False) -> Sequence[Partition[S, M]]:
        """Split a history; raises BadHistory for a verb or argument it cannot read.

        With `apart` the entries stand for themselves: each may be made optional without making another
        one say something else. Without, a model may draw on the whole history to say it shorter.
        """

    def refute(self, history: History) -> Refutation | None:
        """A cheap proof that no order explains the history, if there is one; misses some, errs never."""

    def step(self, state: S, move: M) -> tuple[S, ...]:
        """The states the move can lead to with the outcome it had; none when it could not have it.

        The move of an unknown outcome leads to the states of every effect it can have.
        """

    def observes(self, move: M) -> bool:
        """Whether the move changes no state, in any state: a read, or a refusal without trace."""

    def needs(self, move: M) -> Hashable | None:
        """What must not have been ended before the move, such as the booking it changes."""

    def ends(self, move: M) -> Hashable | None:
        """What the move ends for good: no move that needs it can follow."""
