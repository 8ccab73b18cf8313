"""A history: recorded operations in order of invocation; and its recorder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from overbooked.histories.operation import BadHistory, Operation
from overbooked.targets.adapter import Outcome

FORMAT = 1


@dataclass(frozen=True, slots=True)
class History:
    """Operations sorted by invocation time; the sort is stable."""

    operations: tuple[Operation, ...]

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> History:
        return cls(tuple(sorted(operations, key=lambda op: op.invoked_at)))

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __len__(self) -> int:
        return len(self.operations)

    def only(self, *verbs: str) -> History:
        """The operations with one of these verbs."""
        return History(tuple(op for op in self.operations if op.verb in verbs))

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, for evidence and replay; `from_dict` reads it back."""
        return {"format": FORMAT, "operations": [op.as_dict() for op in self.operations]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> History:
        """Read the JSON form. Raises BadHistory if it is invalid or has another format number."""
        if data.get("format") != FORMAT:
            raise BadHistory(f"expected a history of format {FORMAT}, found {data.get('format')!r}")
        return cls.of(Operation.from_dict(entry) for entry in data["operations"])


class Call:
    """An operation that was invoked and has not ended. End it once, with `ok`, `refused` or `unknown`."""

    __slots__ = ("_actor", "_args", "_invoked_at", "_operation", "_recorder", "_verb")

    def __init__(
        self, recorder: Recorder, actor: str, verb: str, args: Mapping[str, Any], invoked_at: float
    ) -> None:
        self._recorder = recorder
        self._actor = actor
        self._verb = verb
        self._args = dict(args)
        self._invoked_at = invoked_at
        self._operation: Operation | None = None

    def ok(self, result: Any = None) -> Operation:
        return self.end(Outcome.OK, result)

    def refused(self, problem: str = "", result: Any = None) -> Operation:
        return self.end(Outcome.REFUSED, result, problem)

    def unknown(self, problem: str = "", result: Any = None) -> Operation:
        return self.end(Outcome.UNKNOWN, result, problem)

    def end(self, outcome: Outcome, result: Any = None, problem: str = "") -> Operation:
        """End the operation now. Raises BadHistory if it ended before."""
        if self._operation is not None:
            raise BadHistory(f"{self._verb} by {self._actor} was ended twice")
        self._operation = self._as_operation(self._recorder.now(), outcome, result, problem)
        return self._operation

    def operation(self) -> Operation:
        """The operation in its current state; a pending one is UNKNOWN and has no completion time."""
        return self._operation or self._as_operation(None, Outcome.UNKNOWN, None, "still pending")

    def _as_operation(
        self, completed_at: float | None, outcome: Outcome, result: Any, problem: str
    ) -> Operation:
        return Operation(
            actor=self._actor,
            verb=self._verb,
            args=self._args,
            invoked_at=self._invoked_at,
            completed_at=completed_at,
            outcome=outcome,
            result=result,
            problem=problem,
        )


class Recorder:
    """Records the start and end of operations. Safe to share between threads and tasks.

    Args:
        clock: seconds, monotonic, one clock for all actors (e.g. `time.monotonic`). It is read
            *before* a request is sent and *after* its answer arrives, so an interval is never too short.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self._calls: list[Call] = []
        self._added: list[Operation] = []

    def invoke(self, actor: str, verb: str, args: Mapping[str, Any] | None = None) -> Call:
        """Record that `actor` starts `verb`; call it before anything is sent."""
        call = Call(self, actor, verb, args or {}, self.now())
        self._calls.append(call)
        return call

    def add(self, operation: Operation) -> None:
        """Add an operation that was timed elsewhere with the same clock (e.g. in a burst)."""
        self._added.append(operation)

    def history(self) -> History:
        """All operations so far; pending ones have an unknown outcome."""
        return History.of([*(call.operation() for call in self._calls), *self._added])
