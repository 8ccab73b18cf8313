"""Lays a trace out as lanes: one lane per actor, time from left to right.

    ana  BEGIN  SELECT slots                     INSERT bookings  COMMIT  201
    ben                       >BEGIN  SELECT slots                            >INSERT bookings  COMMIT  201

This module converts a trace to cells and cells to lines of text; `svg` and `html` draw the same cells. A cell
names a step in a few words and contains no value that was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from overbooked.traces.trace import Trace, TraceStep

WIDTH = 100
# Key of the lanes in a finding's details, and their width, which fits a terminal of 80 columns with indent.
LANES = "lanes"
EVIDENCE_WIDTH = 70
_GAP = 2
_NAME = 12
_LONGEST = 30


class CellKind(StrEnum):
    """The kind of a cell."""

    STEP = "step"
    WAIT = "wait"  # the actor waits for a lock while others continue
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class LaneCell:
    """One cell of a lane.

    Args:
        column: the number of the step, from 0.
        lane: the actor.
        text: the step in a few words.
        kind: the kind of the cell.
        preempts: whether another actor was stopped here although it could have continued.
        failed: whether the step's answer was an error, or the actor got a server error or no answer.
        waits_for: names of the actors whose locks it waited for.
        parked: whether the actor sent nothing after this step until others had continued.
    """

    column: int
    lane: int
    text: str
    kind: CellKind = CellKind.STEP
    preempts: bool = False
    failed: bool = False
    waits_for: tuple[str, ...] = ()
    parked: bool = False

    @property
    def marked(self) -> str:
        """The text with its marks, as text lanes show it."""
        before = ">" if self.preempts else ""
        return f"{before}{self.text}{' ~' if self.parked else ''}"


@dataclass(frozen=True, slots=True)
class LaneBlock:
    """A range of columns of all lanes that fits into the width.

    Args:
        columns: the range of columns: the first, and the end (exclusive).
        widths: the width of each column, in characters.
        cells: the cells of these columns.
    """

    columns: tuple[int, int]
    widths: tuple[int, ...]
    cells: tuple[LaneCell, ...]

    def of(self, lane: int) -> Iterator[LaneCell]:
        """Return the cells of one lane, from left to right."""
        return (cell for cell in self.cells if cell.lane == lane)


# -- from steps to cells --------------------------------------------------------------------------


def short_name(step: TraceStep) -> str:
    """Return a step in a few words: `SELECT slots`, `COMMIT`, `GET session`, `POST /intents`."""
    words = printable(" ".join(step.shape.split()))
    if step.protocol == "postgres":
        name = _statement(step.verb, words)
    elif step.protocol == "redis":
        key = next(iter(words.split()[1:]), "")
        name = f"{step.verb} {re.split(r'[:?{]', key)[0]}".strip()
    else:
        name = words or step.verb
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


_TABLE = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE(?:\s+ONLY)?|DELETE\s+FROM|MERGE\s+INTO|COPY|LOCK\s+TABLE|FROM)\s+"
    r"(?:ONLY\s+)?(?:(?:\"[^\"]+\"|\w+)\.)?(?P<name>\"[^\"]+\"|\w+)",
    re.IGNORECASE,
)
_CALL = re.compile(r"^SELECT\s+(?P<name>[\w.]+\s*\()", re.IGNORECASE)


# Characters that XML forbids, and those that change the direction of text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text without characters that break an SVG or change the direction of text."""
    return _CONTROL.sub("", text)


def _statement(verb: str, words: str) -> str:
    upper = verb.upper()
    if upper == "WITH":
        # Name a WITH statement by its main statement, which follows the common table expressions.
        main = re.search(
            r"\)\s*(?P<rest>(?P<verb>SELECT|INSERT|UPDATE|DELETE|MERGE)\b(?!.*\)\s*(?:SELECT|INSERT|UPDATE|DELETE|MERGE)\b).*)",
            words,
            re.I,
        )
        if main:
            return _statement(main["verb"], main["rest"])
    call = _CALL.match(words)
    if call and call["name"].startswith(("pg_", "set_config", "nextval")):
        return f"{upper} {call['name'].rstrip('( ')}()"
    # The pattern matches the written table first; FROM in a writing statement names what it reads.
    found = None if upper in {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT"} else _TABLE.search(words)
    if found is None:
        if call:
            return f"{upper} {call['name'].rstrip('( ')}()"
        return " ".join(words.upper().split()[:2]) if upper in {"SAVEPOINT", "ROLLBACK"} else upper
    table = found["name"].strip('"')
    locks = re.search(r"\bFOR\s+(?:NO KEY\s+)?(?:UPDATE|SHARE|KEY SHARE)\b", words, re.IGNORECASE)
    return f"{upper} {table}{' FOR UPDATE' if locks and upper == 'SELECT' else ''}"


def names_of(trace: Trace) -> tuple[str, ...]:
    """Return the names of the lanes; actors with the same name are numbered from 1."""
    names = [printable(actor.name) for actor in trace.actors]
    return tuple(
        f"{name} {names[: n + 1].count(name)}" if names.count(name) > 1 else name
        for n, name in enumerate(names)
    )


def cells(trace: Trace) -> tuple[LaneCell, ...]:
    """Return the cells in order of time; each column has one step, and the waits and answers beside it."""
    found, names = [], names_of(trace)
    for column, step in enumerate(trace.steps):
        found.append(
            LaneCell(
                column,
                step.actor,
                short_name(step) + (f" !{step.error}" if step.error else ""),
                preempts=step.preempted,
                failed=bool(step.error),
                waits_for=tuple(names[actor] for actor in step.blocked_by),
                parked=step.parked,
            )
        )
        if step.blocked_until is not None:
            waits = f"waits for {', '.join(found[-1].waits_for)}" if found[-1].waits_for else "waits"
            found += [
                LaneCell(later, step.actor, waits if later == column + 1 else "", CellKind.WAIT)
                for later in range(column + 1, min(step.blocked_until, len(trace.steps)))
            ]
    return tuple(_with_answers(trace, found))


def _with_answers(trace: Trace, found: list[LaneCell]) -> Iterable[LaneCell]:
    """Add each actor's answer at the end of its lane, and return the cells sorted."""
    for number, actor in enumerate(trace.actors):
        own = [n for n, cell in enumerate(found) if cell.lane == number]
        failed = actor.answer[:1] == "5" or actor.answer == "no answer"
        if not actor.answer:
            continue
        if not own:
            found.append(LaneCell(0, number, actor.answer, CellKind.ANSWER, failed=failed))
        else:
            last = found[own[-1]]
            found.append(LaneCell(last.column, number, actor.answer, CellKind.ANSWER, failed=failed))
    return sorted(found, key=lambda cell: (cell.column, cell.lane, cell.kind is CellKind.ANSWER))


# -- from cells to blocks -------------------------------------------------------------------------


def blocks(trace: Trace, width: int) -> tuple[LaneBlock, ...]:
    """Return the columns of a trace, split into blocks of at most this width.

    Args:
        width: in characters, without the names of lanes; a single column may be wider.
    """
    drawn = cells(trace)
    columns = max((cell.column for cell in drawn), default=-1) + 1
    widths = [
        max((_width(drawn, column, lane) for lane in range(len(trace.actors))), default=0)
        for column in range(columns)
    ]
    found, first, used = [], 0, 0
    for column in range(columns):
        if column > first and used + widths[column] > width:
            found.append((first, column))
            first, used = column, 0
        used += widths[column] + _GAP
    if columns:
        found.append((first, columns))
    return tuple(
        LaneBlock((a, b), tuple(widths[a:b]), tuple(cell for cell in drawn if a <= cell.column < b))
        for a, b in found
    )


def _width(drawn: Sequence[LaneCell], column: int, lane: int) -> int:
    own = [cell for cell in drawn if (cell.column, cell.lane) == (column, lane)]
    # The text of a wait may be cut, so only the step in the same column determines the width.
    said = [len(cell.marked) for cell in own if cell.kind is not CellKind.WAIT]
    return sum(said) + _GAP * max(0, len(said) - 1)


# -- from blocks to text --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LaneChunk:
    """A piece of a line of lanes, with its cell; blanks and names have no cell."""

    text: str
    cell: LaneCell | None = None
    name_of: int | None = None


def lines(trace: Trace, width: int = WIDTH) -> list[list[LaneChunk]]:
    """Return lanes as lines of chunks, wrapped to a width; an empty line separates blocks.

    Args:
        width: the width of a line in characters, names included.
    """
    names = [_cut(name, _NAME) for name in names_of(trace)]
    margin = max((len(name) for name in names), default=0) + _GAP
    drawn: list[list[LaneChunk]] = []
    for number, block in enumerate(blocks(trace, max(20, width - margin))):
        if number and len(names) > 1:
            drawn.append([])
        for lane, name in enumerate(names):
            pieces = [LaneChunk(name.ljust(margin), name_of=lane), *_line(block, lane)]
            while pieces and pieces[-1].cell is None and pieces[-1].name_of is None:
                pieces.pop()
            pieces[-1] = replace(pieces[-1], text=pieces[-1].text.rstrip())
            drawn.append(pieces)
    return drawn


def _line(block: LaneBlock, lane: int) -> Iterator[LaneChunk]:
    own = list(block.of(lane))
    for column, width in zip(range(*block.columns), block.widths, strict=True):
        here = [cell for cell in own if cell.column == column]
        left = width
        for place, cell in enumerate(here):
            if place and left >= _GAP:
                yield LaneChunk(" " * _GAP)
                left -= _GAP
            if cell.kind is CellKind.WAIT:
                room = left - sum(_GAP + len(later.marked) for later in here[place + 1 :])
                text = next(
                    (said for said in (cell.text, "waits" if cell.text else "") if len(said) <= room), ""
                )
                yield LaneChunk(text.ljust(max(room, 0), "·"), cell)
                left -= max(room, 0)
            else:
                yield LaneChunk(cell.marked, cell)
                left -= len(cell.marked)
        yield LaneChunk(" " * (left + _GAP))


def text_lines(trace: Trace, width: int = WIDTH) -> list[str]:
    """Return lanes as plain text, with a legend of the marks that occur."""
    drawn = ["".join(piece.text for piece in line).rstrip() for line in lines(trace, width)]
    return [*drawn, *([said] if (said := legend(trace)) else [])]


def legend(trace: Trace) -> str:
    """Return a legend of the marks in the lanes of a trace; "" if there are none."""
    said = []
    if trace.preemptions:
        said.append("> preemption: another actor goes on")
    if any(step.blocked_until is not None for step in trace.steps):
        said.append("··· waits for a lock")
    if any(step.parked for step in trace.steps):
        said.append("~ then no progress at the wire until others had gone on")
    if any(step.error for step in trace.steps):
        said.append("! an error")
    return "   ".join(said)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
