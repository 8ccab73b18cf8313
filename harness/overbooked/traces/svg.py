"""Renders lanes as a self-contained SVG picture, without scripts, fonts or external resources."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from overbooked.traces.layout import CellKind, LaneBlock, LaneCell, blocks, names_of, printable
from overbooked.traces.trace import Trace

COLOURS = ("#0b6e8f", "#8a3ea8", "#2d7d32", "#3456c4", "#9a6700")
_RED, _AMBER, _INK, _FAINT = "#b3261e", "#b26a00", "#1f2328", "#d0d7de"
_PLAIN = '"ui-monospace", "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace'

# Sizes of a character, a lane, a box and the gaps, in pixels.
_CHAR, _LANE, _BOX, _PAD, _GAP, _MARGIN, _NAME = 7.25, 44, 26, 7, 10, 14, 14
_COLUMNS = 118


def lanes_svg(trace: Trace, *, title: str = "", columns: int = _COLUMNS) -> str:
    """Return a picture of the lanes, wrapped into rows.

    Args:
        trace: the trace to draw.
        title: the title, for screen readers and tooltips.

        columns: the width of a row, in characters.
    """
    rows = blocks(trace, columns)
    longest = max(map(len, names_of(trace)), default=0)
    left = _MARGIN + longest * _CHAR + _NAME
    right = max((_x(left, block, len(block.widths)) for block in rows), default=left)
    row_height = len(trace.actors) * _LANE + 34
    width, height = right + _MARGIN, _MARGIN * 2 + row_height * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f"font-family='{_PLAIN}' font-size=\"12\">",
        f"<title>{escape(printable(title) or 'lanes, time from left to right')}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]
    for number, block in enumerate(rows):
        parts += _row(trace, block, left, _MARGIN + number * row_height)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(left: float, block: LaneBlock, column: int) -> float:
    """Return the x coordinate of the left edge of a column of a block, in pixels."""
    return left + sum(width * _CHAR + 2 * _PAD + _GAP for width in block.widths[:column])


def _row(trace: Trace, block: LaneBlock, left: float, top: float) -> Iterator[str]:
    first, last = block.columns
    end = _x(left, block, len(block.widths)) - _GAP
    for offset, column in enumerate(range(first, last)):
        at = _x(left, block, offset)
        yield _text(at, top + 12, f"{column + 1}", "#6e7781", size=10)
    for lane, name in enumerate(names_of(trace)):
        y = top + 20 + lane * _LANE + _BOX / 2
        yield _text(_MARGIN, y + 4, name, _colour(lane), weight=600)
        yield f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{y:.1f}" stroke="{_FAINT}"/>'
    for lane in range(len(trace.actors)):
        for column in range(first, last):
            here = [cell for cell in block.of(lane) if cell.column == column]
            yield from _column(block, here, left, top, column - first)


def _column(block: LaneBlock, here: list[LaneCell], left: float, top: float, offset: int) -> Iterator[str]:
    at = _x(left, block, offset)
    for cell in here:
        y = top + 20 + cell.lane * _LANE
        if cell.kind is CellKind.WAIT:
            wide = block.widths[offset] * _CHAR + 2 * _PAD + _GAP
            yield (
                f'<rect x="{at - _GAP:.1f}" y="{y + _BOX / 2 - 3:.1f}" width="{wide:.1f}" height="6" '
                f'fill="{_AMBER}" opacity="0.35"/>'
            )
            if cell.text:
                yield _text(at, y + _BOX / 2 - 8, cell.text, _AMBER, size=10)
            continue
        text = f"{cell.text} ~" if cell.parked else cell.text
        wide = len(text) * _CHAR + 2 * _PAD
        yield from _box(cell, text, at, y, wide)
        at += wide + _GAP


def _box(cell: LaneCell, text: str, x: float, y: float, wide: float) -> Iterator[str]:
    colour = _RED if cell.failed else _colour(cell.lane)
    answer = cell.kind is CellKind.ANSWER
    fill, ink = (colour, "#ffffff") if answer else ("#ffffff", _INK)
    if cell.preempts:
        yield (
            f'<path d="M{x - _GAP + 1:.1f},{y + 4:.1f} l6,{_BOX / 2 - 4:.1f} l-6,{_BOX / 2 - 4:.1f} z" '
            f'fill="{_RED}"><title>preemption</title></path>'
        )
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{_BOX}" rx="4" fill="{fill}" '
        f'stroke="{colour}" stroke-width="{2 if cell.preempts or cell.failed else 1.2}"/>'
    )
    yield _text(x + _PAD, y + 17, text, ink, weight=600 if answer else 400)


def _text(x: float, y: float, text: str, colour: str, *, size: int = 12, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'xml:space="preserve">{escape(printable(text))}</text>'
    )


def _colour(lane: int) -> str:
    return COLOURS[lane % len(COLOURS)]
