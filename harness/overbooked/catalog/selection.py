"""The selection of a run: its gaps, the clauses asked, and why other clauses are not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overbooked.catalog.model import Gap


@dataclass(frozen=True, slots=True)
class Selection:
    """The gaps of a run and the full names of the clauses asked of them.

    Args:
        gaps: in display order.
        clauses: full names of the clauses asked, in order.
        not_asked: the reason for each clause of these gaps that is not asked, by full name.
        narrowed: the user chose gaps, clauses, a theme or a priority; not the whole catalog.
    """

    gaps: tuple[Gap, ...]
    clauses: tuple[str, ...]
    not_asked: Mapping[str, str] = field(default_factory=dict)
    narrowed: bool = False
