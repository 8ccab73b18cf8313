"""The rows that a statement concerns, according to its text: those named by an equality, or any.

This is precise enough to distinguish two rows of one table in a violating trace. The search does not use it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_PARAMETER = re.compile(r"\$(\d+)")
_GIVEN = "__given_"
_NUMBER_BYTES, _UUID_BYTES = frozenset({2, 4, 8}), 16


@dataclass(frozen=True, slots=True)
class Items:
    """The rows that a statement concerns, by the columns that an equality restricts.

    Args:
        restricted: the possible values of each restricted column; empty: any row.
        adds: whether the statement inserts rows.
    """

    restricted: Mapping[str, frozenset[str]]
    adds: bool = False

    @property
    def by_predicate(self) -> bool:
        """Whether no column is restricted, so that the rows depend on the contents of the table."""
        return not self.restricted

    def overlaps(self, other: Items) -> bool:
        """Return whether both may concern the same row."""
        shared = self.restricted.keys() & other.restricted.keys()
        return all(self.restricted[name] & other.restricted[name] for name in shared)


ANY = Items({})


def items_of(text: str, values: Sequence[str | None] = ()) -> Items:
    """Return the rows that a statement with these parameters concerns."""
    restricted = {
        column: frozenset(_given(value, values) for value in found) for column, found in _restricted(text)
    }
    return Items(restricted, text.lstrip("( \n").lower().startswith("insert"))


def _given(value: str, values: Sequence[str | None]) -> str:
    if not value.startswith(_GIVEN):
        return value
    number = int(value.removeprefix(_GIVEN)) - 1
    return _plain(str(values[number])) if number < len(values) else value


def _plain(value: str) -> str:
    """Convert a number or UUID that a driver sent in binary format to the equivalent SQL literal."""
    if not value.startswith("\\x"):
        return value
    sent = bytes.fromhex(value[2:])
    if len(sent) == _UUID_BYTES:
        return str(UUID(bytes=sent))
    return str(int.from_bytes(sent, "big", signed=True)) if len(sent) in _NUMBER_BYTES else value


@lru_cache(maxsize=1024)
def _restricted(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    try:
        parsed = sqlglot.parse(_PARAMETER.sub(rf"{_GIVEN}\1", text), dialect="postgres")
    except (SqlglotError, RecursionError):
        return ()
    if (
        len(parsed) != 1
        or parsed[0] is None
        or not isinstance(parsed[0], exp.Select | exp.Update | exp.Delete)
    ):
        return ()
    where = parsed[0].args.get("where")
    if where is None:
        return ()
    found: dict[str, tuple[str, ...]] = {}
    for one in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
        if isinstance(one, exp.EQ) and isinstance(one.this, exp.Column):
            constants = [_constant(one.expression)]
        elif isinstance(one, exp.In) and isinstance(one.this, exp.Column) and one.expressions:
            constants = [_constant(each) for each in one.expressions]
        else:
            continue
        known = tuple(each for each in constants if each is not None)
        if len(known) == len(constants):
            found[one.this.name.lower()] = known
    return tuple(found.items())


def _constant(one: exp.Expr) -> str | None:
    while isinstance(one, exp.Cast | exp.Paren):
        one = one.this
    if isinstance(one, exp.Literal):
        return str(one.this)
    if isinstance(one, exp.Column) and one.name.startswith(_GIVEN):
        return one.name
    return None
