"""The summary at the end of a plain `pytest scenarios`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from overbooked.catalog import Catalog
from overbooked.runs.absence import doubts
from overbooked.runs.result import TrialResult
from overbooked.verdicts.verdict import SEVERITY, Verdict, worst

Expected = Mapping[str, Sequence[str]]


class Terminal(Protocol):
    """The part of pytest's terminal reporter that is used."""

    def section(self, title: str) -> None: ...

    def line(self, msg: str) -> None: ...


def print_summary(terminal: Terminal, lines: Sequence[str], expected: Expected, catalog: Catalog) -> None:
    """Print the verdict of every judged clause, and the reason if it is not closed.

    Args:
        terminal: receives the lines.
        lines: encoded trial results.
        expected: the scenario functions in the source for each clause.
        catalog: defines the required means of each clause.
    """
    results = [TrialResult.decode(line) for line in lines]
    by_clause: dict[str, list[tuple[Verdict, str]]] = {}
    for result in results:
        for each in result.results:
            by_clause.setdefault(each.clause, []).append((each.verdict, each.reason))
    for (_, clause), doubt in doubts(results, expected, catalog).items():
        by_clause[clause].append((Verdict.INCONCLUSIVE, doubt))
    terminal.section("verdicts")
    for clause, found in sorted(by_clause.items()):
        verdict, reason = min(found, key=lambda each: SEVERITY.index(each[0]))
        first = reason.splitlines()[0] if reason else ""
        terminal.line(f"{_shown(verdict):14}{clause:12}{first}".rstrip())
    whole = worst(verdict for found in by_clause.values() for verdict, _ in found)
    terminal.line(
        f"{len(by_clause)} clauses judged, the worst is {whole.value}. No canary was judged: "
        "`overbooked run` judges one and writes a scorecard."
    )


def _shown(verdict: Verdict) -> str:
    return verdict.value.upper() if verdict is Verdict.OPEN else verdict.value
