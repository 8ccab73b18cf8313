"""Receipts of a mutant: how often its code ran in this process, and whether its schema change is in force."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from reference_system.booking import db
from reference_system.booking.runtime import HasRuntime
from reference_system.mutants.schema import FINGERPRINT, PREPARED, in_force


class Receipts:
    """Counts of one process. `ran` has a name for each substitution, 0 for one whose code never ran."""

    def __init__(self, mutant: str, *, changes_schema: bool) -> None:
        self.mutant = mutant
        self.changes_schema = changes_schema
        self.ran: dict[str, int] = {}
        self._texts: dict[str, str] = {}

    def counting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, which counts its calls under `name` from now on."""
        self.ran[name] = 0
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                self.ran[name] += 1
                return await function(*args, **kwargs)

            return coroutine

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            self.ran[name] += 1
            return function(*args, **kwargs)

        return plain

    def counting_statements(self, name: str, text: str) -> None:
        """Count under `name` every statement that is or contains this SQL text."""
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
        """What the harness asks for; `schema_in_force` is null where the mutant changes no schema."""
        schema: bool | None = None
        if self.changes_schema:
            rows = await runtime.database.all(f"SELECT ({PREPARED}) AS prepared, ({FINGERPRINT}) AS now")
            schema = in_force(self.mutant, rows[0].prepared, rows[0].now)
        return {"mutant": self.mutant, "ran": dict(self.ran), "schema_in_force": schema}
