"""The state of every gap in the catalog: its scenarios, the clauses asked, the latest verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from overbooked.catalog.catalog import Catalog
from overbooked.catalog.model import Clause, Gap, Mutant
from overbooked.profiles import Profile
from overbooked.reporting.console import STYLES
from overbooked.reporting.text import clause_reason, upper_verdict
from overbooked.verdicts.scorecard import ClauseScore, GapScore, Scorecard

LEGEND = "clauses: with a scenario / asked by the profile / all; mutants: that the target has / all"


@dataclass(frozen=True, slots=True)
class ClauseState:
    """One clause: why the profile does not ask for it ("": it is asked), and the scenarios bound to it."""

    clause: Clause
    not_asked: str
    scenarios: tuple[str, ...]
    last: ClauseScore | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.clause.name,
            "by": [str(means) for means in self.clause.by],
            "text": self.clause.text,
            "asked": not self.not_asked,
            "reason": self.not_asked,
            "scenarios": list(self.scenarios),
            "last": self.last.as_dict()["verdict"] if self.last else None,
        }


@dataclass(frozen=True, slots=True)
class MutantState:
    """One mutant of the catalog, and whether the target has it."""

    mutant: Mutant
    available: bool

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.mutant.name,
            "breaks": list(self.mutant.breaks),
            "text": self.mutant.text,
            "origin": self.mutant.origin,
            "available": self.available,
        }


@dataclass(frozen=True, slots=True)
class GapState:
    """One gap of the catalog with the state of its clauses and mutants, and the latest verdict."""

    gap: Gap
    clauses: tuple[ClauseState, ...]
    mutants: tuple[MutantState, ...]
    last: GapScore | None = None
    run: str = ""

    @property
    def asked(self) -> tuple[ClauseState, ...]:
        return tuple(clause for clause in self.clauses if not clause.not_asked)

    @property
    def covered(self) -> tuple[ClauseState, ...]:
        """The clauses asked that have a scenario."""
        return tuple(clause for clause in self.asked if clause.scenarios)

    @property
    def state(self) -> str:
        """The last verdict in a few words; without one, whether the gap can be judged."""
        if self.last is not None and self.last.asked:
            return upper_verdict(self.last.verdict)
        if not self.asked:
            return "not asked"
        return "not run" if self.covered else "no scenario"

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.gap.id,
            "title": self.gap.title,
            "priority": str(self.gap.priority),
            "theme": self.gap.theme,
            "source": self.gap.source,
            "impact": self.gap.impact,
            "same_as": list(self.gap.same_as),
            "state": self.state.lower(),
            "last": {"run": self.run, "verdict": self.last.verdict.value} if self.last else None,
            "asked": len(self.asked),
            "covered": len(self.covered),
            "total": len(self.clauses),
            "clauses": [clause.as_dict() for clause in self.clauses],
            "mutants": [mutant.as_dict() for mutant in self.mutants],
        }


def gap_states(
    gaps: Iterable[Gap],
    *,
    profile: Profile,
    scenarios: Mapping[str, Collection[str]],
    mutants: Collection[str] = (),
    last: Scorecard | None = None,
) -> tuple[GapState, ...]:
    """The states of some gaps.

    Args:
        gaps: from `Catalog.select`.
        profile: decides which clauses are asked.
        scenarios: node ids of the scenarios bound to each clause, by its full name.
        mutants: names of the mutants that the target can run.
        last: the scorecard of the last complete run, if any.
    """
    scores = {score.id: score for score in last.gaps} if last else {}
    states = []
    for gap in gaps:
        score = scores.get(gap.id)
        clause_scores = {clause.id: clause for clause in score.clauses} if score else {}
        states.append(
            GapState(
                gap=gap,
                clauses=tuple(
                    ClauseState(
                        clause,
                        profile.asks(clause),
                        tuple(scenarios.get(clause.name, ())),
                        clause_scores.get(clause.name),
                    )
                    for clause in gap.clauses
                ),
                mutants=tuple(MutantState(mutant, mutant.name in mutants) for mutant in gap.mutants),
                last=score,
                run=last.run.id if last and score else "",
            )
        )
    return tuple(states)


def states_json(states: Sequence[GapState]) -> list[dict[str, Any]]:
    """The states as JSON-compatible data."""
    return [state.as_dict() for state in states]


def states_table(states: Sequence[GapState], catalog: Catalog | None = None) -> RenderableType:
    """One line per gap, by theme, and a count at the end.

    Args:
        states: the states of the gaps to show.
        catalog: defines the order of themes; default: the order of the gaps.
    """
    themes = catalog.themes if catalog else tuple(dict.fromkeys(state.gap.theme for state in states))
    parts: list[RenderableType] = []
    for theme in themes:
        rows = [state for state in states if state.gap.theme == theme]
        if rows:
            parts += [Text(theme, style="bold"), _rows(rows)]
    if not states:
        return Text("no such gap; `overbooked list` shows all there are")
    parts.append(Text(LEGEND, style="dim"))
    counted: dict[str, int] = {}
    for state in states:
        counted[state.state] = counted.get(state.state, 0) + 1
    words = ", ".join(f"{n} {name}" for name, n in counted.items())
    parts.append(Text(f"{len(states)} {'gap' if len(states) == 1 else 'gaps'}: {words}"))
    return Group(*parts)


def mutants_json(states: Sequence[GapState]) -> list[dict[str, Any]]:
    """The mutants of some gaps as JSON-compatible data."""
    return [{"gap": state.gap.id, **mutant.as_dict()} for state in states for mutant in state.mutants]


def mutants_table(states: Sequence[GapState]) -> RenderableType:
    """One line per mutant: its name, the clauses it breaks, whether the target has it, and what it does."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    every = [mutant for state in states for mutant in state.mutants]
    for each in every:
        letters = ", ".join(name.rpartition(".")[2] for name in each.mutant.breaks)
        has = Text("available", style="green") if each.available else Text("not in the target", style="dim")
        table.add_row(each.mutant.name, f"breaks {letters}", has, f"{each.mutant.text}{_origin(each.mutant)}")
    available = sum(each.available for each in every)
    noun = "mutant" if len(every) == 1 else "mutants"
    return Group(table, Text(f"{len(every)} {noun}, the target has {available}"))


def _origin(mutant: Mutant) -> str:
    return f"  ({mutant.origin})" if mutant.origin else ""


def gap_detail(state: GapState) -> RenderableType:
    """Everything about one gap: clauses with their scenarios and last verdict, and mutants."""
    gap = state.gap
    facts = f"{gap.priority}, {gap.theme}; {gap.source}"
    parts: list[RenderableType] = [
        Text(f"{gap.id}  {gap.title}", style="bold"),
        Text(facts, style="dim"),
    ]
    if gap.impact:
        parts.append(Text(f"impact: {gap.impact}"))
    if gap.same_as:
        parts.append(Text(f"the same as {', '.join(gap.same_as)}, whose scenarios also judge this one"))
    parts.append(Text(_state_sentence(state)))
    parts.append(Text("closed when", style="bold"))
    for clause in state.clauses:
        parts.append(_clause(clause))
    parts.append(Text("open when", style="bold"))
    for each in state.mutants:
        letters = ", ".join(name.rpartition(".")[2] for name in each.mutant.breaks)
        said = f"{each.mutant.name}  breaks {letters}: {each.mutant.text}{_origin(each.mutant)}"
        parts.append(Padding(Text(said if each.available else f"{said}  (not built yet)"), (0, 0, 0, 2)))
    parts.append(Text(f"overbooked run {gap.id}   overbooked prove {gap.id}", style="dim"))
    return Group(*parts)


def _state_sentence(state: GapState) -> str:
    asked = f"{len(state.asked)} of {len(state.clauses)} clauses asked"
    if state.last is not None:
        return f"{state.state} in run {state.run}; {asked}"
    return f"{state.state}; {asked}, {len(state.covered)} covered"


def _clause(state: ClauseState) -> RenderableType:
    lines: list[RenderableType] = [
        Text(f"{state.clause.letter}  {state.clause.text}"),
        Text(f"   by {', '.join(state.clause.by)}", style="dim"),
    ]
    if state.not_asked:
        lines.append(Text(f"   not asked: {state.not_asked}", style="dim"))
    elif not state.scenarios:
        lines.append(Text("   no scenario judges it", style="yellow"))
    lines += [Text(f"   {scenario}") for scenario in state.scenarios]
    if state.last is not None and state.last.verdict is not None:
        verdict = Text(f"   {upper_verdict(state.last.verdict)}", style=STYLES[state.last.verdict])
        reason = clause_reason(state.last)
        lines.append(verdict.append(f"  {reason}", style="") if reason else verdict)
    return Padding(Group(*lines), (0, 0, 0, 2))


def _rows(states: Iterable[GapState]) -> Table:
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(width=14, no_wrap=True)
    grid.add_column(width=9, no_wrap=True)
    grid.add_column(width=2, no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=26, no_wrap=True)
    for state in states:
        style = STYLES[state.last.verdict] if state.last and state.last.asked else "dim"
        clauses = f"{len(state.covered)}/{len(state.asked)}/{len(state.clauses)} clauses"
        built = sum(mutant.available for mutant in state.mutants)
        grid.add_row(
            Text(f"  {state.state}", style=style),
            state.gap.id,
            str(state.gap.priority),
            Text(state.gap.title),
            f"{clauses}, {built}/{len(state.mutants)} mutants",
        )
    return grid
