"""Reads gaps from TOML and rejects an inconsistent catalog with a list of all errors."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from overbooked.catalog.model import Clause, Gap, Means, Mutant, Priority
from overbooked.errors import ConfigError

_Text = Annotated[str, Field(min_length=1)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ClauseRow(_Row):
    id: Annotated[str, Field(pattern=r"^[a-z]$")]
    by: Annotated[tuple[Means, ...], Field(min_length=1)]
    text: _Text


class _MutantRow(_Row):
    id: Annotated[int, Field(ge=1)]
    breaks: Annotated[tuple[str, ...], Field(min_length=1)]
    text: _Text
    origin: Literal["", "blind"] = ""


class _GapRow(_Row):
    id: Annotated[str, Field(pattern=r"^[A-Z]+-[A-Z0-9.]+$")]
    title: _Text
    priority: Priority
    theme: _Text
    impact: str = ""
    same_as: tuple[str, ...] = ()
    closed_when: Annotated[tuple[_ClauseRow, ...], Field(min_length=1)]
    open_when: Annotated[tuple[_MutantRow, ...], Field(min_length=1)]


class _CatalogFile(_Row):
    source: _Text
    prefix: _Text
    gap: Annotated[tuple[_GapRow, ...], Field(min_length=1)]


def read_gaps(text: str, where: str) -> tuple[Gap, ...]:
    """The gaps of one catalog file.

    Args:
        text: the file's TOML.
        where: the name of the file in messages.

    Raises:
        ConfigError: the text is not TOML, or a row has a missing or unknown key or an invalid value.
    """
    try:
        rows = _CatalogFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(_listed(where, (_sentence(text, item) for item in _causes(error)))) from error
    stray = [row.id for row in rows.gap if not row.id.startswith(f"{rows.prefix}-")]
    if stray:
        raise ConfigError(f"{where}: its prefix is {rows.prefix}, but it has {', '.join(stray)}")
    return tuple(_gap(row, rows.source) for row in rows.gap)


def _gap(row: _GapRow, source: str) -> Gap:
    return Gap(
        id=row.id,
        title=row.title,
        priority=row.priority,
        theme=row.theme,
        clauses=tuple(Clause(row.id, clause.id, clause.by, clause.text) for clause in row.closed_when),
        mutants=tuple(
            Mutant(
                row.id,
                mutant.id,
                tuple(f"{row.id}.{letter}" for letter in mutant.breaks),
                mutant.text,
                mutant.origin,
            )
            for mutant in row.open_when
        ),
        source=source,
        impact=row.impact,
        same_as=row.same_as,
    )


def check_gaps(gaps: Sequence[Gap], where: str) -> None:
    """Check that gaps are consistent.

    Every `breaks` names a clause of its gap. Every clause is broken by at least one mutant, because a
    scenario that no mutant can fail proves nothing. Every `same_as` names a gap. No name is used twice:
    an id may contain a dot, so gaps, clauses and mutants share one namespace.

    Raises:
        ConfigError: the message lists all errors.
    """
    known = {gap.id for gap in gaps}
    wrong: list[str] = []
    for gap in gaps:
        clauses = {clause.name for clause in gap.clauses}
        broken = {name for mutant in gap.mutants for name in mutant.breaks}
        wrong += [
            f"{mutant.name} breaks {name}, which is no clause of {gap.id}"
            for mutant in gap.mutants
            for name in mutant.breaks
            if name not in clauses
        ]
        wrong += [f"{name} is broken by no mutant" for name in sorted(clauses - broken)]
        wrong += [
            f"{gap.id} is the same as {other}, which is no gap" for other in gap.same_as if other not in known
        ]
    wrong += [f"{name} is used {n} times" for name, n in Counter(_names(gaps)).items() if n > 1]
    if wrong:
        raise ConfigError(_listed(where, wrong))


def _names(gaps: Sequence[Gap]) -> Iterable[str]:
    for gap in gaps:
        yield gap.id
        yield from (clause.name for clause in gap.clauses)
        yield from (mutant.name for mutant in gap.mutants)


def _causes(error: ValidationError) -> list[ErrorDetails]:
    """The errors without consequential ones: an invalid row also makes its list too short."""
    every = error.errors()
    return [
        item
        for item in every
        if item["type"] != "too_short"
        or not any(
            len(other["loc"]) > len(item["loc"]) and other["loc"][: len(item["loc"])] == item["loc"]
            for other in every
        )
    ]


def _sentence(text: str, error: ErrorDetails) -> str:
    """One pydantic error as `gap SYS-03 closed_when 2 by: ...`; positions are counted from 1."""
    loc = [str(part + 1 if isinstance(part, int) else part) for part in error["loc"]]
    match error["loc"]:
        case ("gap", int(place), *_):
            row = tomllib.loads(text)["gap"][place]
            loc[:2] = [f"gap {row.get('id', place + 1) if isinstance(row, dict) else place + 1}"]
    return f"{' '.join(loc)}: {error['msg']}"


def _listed(where: str, wrong: Iterable[str]) -> str:
    lines = list(wrong)
    return f"{where}: {lines[0]}" if len(lines) == 1 else "\n  ".join([f"{where}:", *lines])
