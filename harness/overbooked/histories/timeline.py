"""A history as plain text: one line per operation, bars over one time axis, fault windows on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from overbooked.histories.operation import Operation


@dataclass(frozen=True, slots=True)
class Window:
    """A time span to display, by the history's clock, e.g. while a fault was active."""

    name: str
    started_at: float
    ended_at: float


def timeline(operations: Iterable[Operation], *, windows: Sequence[Window] = (), width: int = 48) -> str:
    """Draw operations in order of invocation.

    A bar spans invocation to completion. `x` ends a refused operation. `?` marks where the client gave
    up; the effect may still come after it. Times are milliseconds since the first invocation.
    """
    rows = sorted(operations, key=lambda op: op.invoked_at)
    if not rows:
        return "(no operations)"
    begin = min([row.invoked_at for row in rows])
    end = max([row.invoked_at if row.completed_at is None else row.completed_at for row in rows])
    axis = _Axis(begin, end, width)
    lanes = max(len(name) for name in [*(row.actor for row in rows), *(window.name for window in windows)])
    lines = [f"{'':{lanes}}  {axis.ruler()}"]
    lines += [f"{window.name:{lanes}} |{axis.window(window)}|" for window in windows]
    lines += [f"{row.actor:{lanes}} |{axis.bar(row)}| {_label(row)}" for row in rows]
    return "\n".join(lines)


def _label(op: Operation) -> str:
    return str(op).removeprefix(f"{op.actor}: ")


class _Axis:
    def __init__(self, begin: float, end: float, width: int) -> None:
        self._begin = begin
        self._span = (end - begin) or 1.0
        self._width = width
        self._end = end

    def _column(self, moment: float) -> int:
        share = (moment - self._begin) / self._span
        return min(max(int(share * self._width), 0), self._width - 1)

    def ruler(self) -> str:
        left, right = "0 ms", f"{(self._end - self._begin) * 1000:.1f} ms"
        return left + right.rjust(self._width - len(left))

    def window(self, window: Window) -> str:
        first, last = self._column(window.started_at), self._column(window.ended_at)
        return (" " * first + "#" * (last - first + 1)).ljust(self._width)

    def bar(self, op: Operation) -> str:
        first = self._column(op.invoked_at)
        last = first if op.completed_at is None else self._column(op.completed_at)
        stop = "?" if op.unknown else "x" if op.refused else "="
        tail = "~" * (self._width - last - 1) if op.unknown else ""
        return (" " * first + "=" * (last - first) + stop + tail).ljust(self._width)
