"""Receipts of a mutant: how often its code ran in this process, and whether its schema change is in force."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from reference_system.booking.platform import db
from reference_system.booking.platform.runtime import HasRuntime
from reference_system.mutants.schema import FINGERPRINT, PREPARED, in_force


class Receipts:
    """Counts of one process. `ran` has the number of runs of each substitution by name, 0 for none."""

    def __init__(self, mutant: str, *, changes_schema: bool) -> None:
        self.mutant = mutant
        self.changes_schema = changes_schema
        self.ran: dict[str, int] = {}
        self._texts: dict[str, str] = {}

    def counting(
        self, name: str, function: Callable[..., Any], original: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Return a replacement of `original` that counts its calls under `name`, then calls `function`."""
        self.ran[name] = 0
        if inspect.iscoroutinefunction(original):

            @_like(original)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                self.ran[name] += 1
                return await function(*args, **kwargs)

            return coroutine

        @_like(original)
        def plain(*args: Any, **kwargs: Any) -> Any:
            self.ran[name] += 1
            return function(*args, **kwargs)

        return plain

    def counting_statements(self, name: str, text: str) -> None:
        """Count under `name` every statement that equals or contains this SQL text."""
        self.ran[name] = 0
        if not self._texts:
            statement = db._statement

            def counted(sql: str) -> Any:
                for edited, said in self._texts.items():
                    if said in sql:
                        self.ran[edited] += 1
                return statement(sql)

            db._statement = counted  # type: ignore[assignment]
        self._texts[name] = text

    async def read(self, runtime: HasRuntime) -> dict[str, Any]:
        """The receipt for the harness; `schema_in_force` is null if the mutant changes no schema."""
        schema: bool | None = None
        if self.changes_schema:
            rows = await runtime.database.all(f"SELECT ({PREPARED}) AS prepared, ({FINGERPRINT}) AS now")
            schema = in_force(self.mutant, rows[0].prepared, rows[0].now)
        return {"mutant": self.mutant, "ran": dict(self.ran), "schema_in_force": schema}


def _like(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that copies the name and signature of `original`, without a reference to it."""
    signature = inspect.signature(original)

    def named(function: Callable[..., Any]) -> Callable[..., Any]:
        wrapped = functools.wraps(original)(function)
        del wrapped.__wrapped__
        setattr(wrapped, "__signature__", signature)  # noqa: B010 - mypy knows no such attribute
        return wrapped

    return named
