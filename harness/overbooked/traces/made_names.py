"""Numbers the names of schemas and tables that a service creates during a race, in the order of first use.

A service with a schema or table per object generates a new name in each run. The name is part of the shape of
each statement that uses it, so without renumbering no replay matches its recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import asyncpg

from overbooked.errors import StackError
from overbooked.traces.trace import Trace, TraceStep
from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.postgres.sql import Token, tokens

_CONNECT_S = 5.0
# Keywords before the name of a relation or schema.
_BEFORE = frozenset(
    {
        *("FROM", "JOIN", "INTO", "UPDATE", "TABLE", "SCHEMA", "SEQUENCE", "VIEW", "INDEX"),
        *("ONLY", "EXISTS", "TRUNCATE", "REFERENCES", "ON"),
    }
)
_NO_NAMES = frozenset(
    {
        *("SET", "OF", "SKIP", "NOWAIT", "SELECT", "LATERAL", "ONLY", "IF", "NOT", "EXISTS", "VALUES"),
        "CONCURRENTLY",
    }
)
_NAMES = "SELECT relname AS name FROM pg_class UNION SELECT nspname FROM pg_namespace"
_THERE = """
SELECT name, count(*) > 1 AS often FROM (
    SELECT relname AS name FROM pg_class WHERE relname = ANY($1::text[])
    UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = ANY($1::text[])
) AS found GROUP BY name
"""


class MadeNames:
    """Finds the names that were created since `ready`, and replaces them in traces.

    Args:
        dsn: the URL of the database; None: there is no database, and traces stay unchanged.
    """

    def __init__(self, dsn: str | None) -> None:
        self._dsn = dsn
        self._known: frozenset[str] | None = None
        self._kept: set[str] = set()

    async def ready(self) -> None:
        """Read the names that exist before the first race; later calls do nothing.

        Raises:
            StackError: the query failed.
        """
        if self._known is None:
            self._known = frozenset(str(row["name"]) for row in await self._asked(_NAMES))

    async def renumbered(self, trace: Trace) -> Trace:
        """Return the trace with created names replaced by `made1`, `made2` ... in the shapes of its steps.

        Raises:
            StackError: the query for the existing names failed.
        """
        if not self._known:
            return trace
        shapes = [step.shape for step in trace.steps if step.protocol == WireProtocol.POSTGRES]
        candidates = {name for shape in shapes for name in names_in(shape)} - self._known
        candidates -= self._kept
        if not candidates:
            return trace
        there = {
            str(row["name"]): bool(row["often"]) for row in await self._asked(_THERE, sorted(candidates))
        }
        # A name that was created and then dropped occurs in the statement that created it.
        dropped = candidates & {name for shape in shapes for name in names_in(shape, made=True)}
        # A name in several schemas is the service's own, and one not in the database is an alias: keep both.
        self._kept |= {name for name in candidates - dropped if there.get(name, True)}
        self._kept |= {name for name in dropped if there.get(name, False)}
        made = candidates - self._kept
        return replace(trace, steps=_renumbered(trace.steps, made)) if made else trace

    async def _asked(self, query: str, *values: object) -> Sequence[asyncpg.Record]:
        if self._dsn is None:
            return []
        try:
            connection = await asyncpg.connect(self._dsn, timeout=_CONNECT_S)
            try:
                rows: Sequence[asyncpg.Record] = await connection.fetch(query, *values)
                return rows
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise StackError(
                f"the database does not say which tables there are: {error!r}", part="postgres"
            ) from error


@lru_cache(maxsize=4096)
def names_in(shape: str, *, made: bool = False) -> tuple[str, ...]:
    """Return possible names of relations and schemas in a shape; with `made`, only if it is a CREATE."""
    if made and not shape.lstrip("( ").upper().startswith("CREATE"):
        return ()
    found: list[str] = []
    words = [token for token in tokens(shape) if token.kind not in {"space", "comment"}]
    before = ""
    path = False
    for number, token in enumerate(words):
        word = token.text.upper()
        if not _is_name(token):
            path = path and token.text in {",", "="}
            before = "." if token.text == "." else before if token.text in {"(", ","} and path else ""
            continue
        path = word == "SEARCH_PATH" or (path and word != ";")
        named = before in _BEFORE or before == "." or (path and word not in {"SEARCH_PATH", "TO"})
        if named and (token.kind != "word" or word not in _NO_NAMES):
            found.append(folded(token.text))
            if number + 1 < len(words) and words[number + 1].text == ".":
                before = ""
                continue
        before = word
    return tuple(dict.fromkeys(found))


def _renumbered(steps: Sequence[TraceStep], made: Iterable[str]) -> tuple[TraceStep, ...]:
    numbers: dict[str, str] = {}
    names = frozenset(made)

    def told(shape: str) -> Iterator[str]:
        for token in tokens(shape):
            name = folded(token.text) if _is_name(token) else ""
            if name in names:
                yield numbers.setdefault(name, f"made{len(numbers) + 1}")
            else:
                yield token.text

    return tuple(
        replace(step, shape="".join(told(step.shape))) if step.protocol == WireProtocol.POSTGRES else step
        for step in steps
    )


def _is_name(token: Token) -> bool:
    return token.kind == "word" or token.text.startswith('"')


def folded(identifier: str) -> str:
    """Return an identifier as PostgreSQL stores it: in lower case unless quoted."""
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier.lower()
