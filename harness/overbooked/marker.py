"""The marker that binds a scenario to clauses of gaps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pytest

MARKER = "gap"

F = TypeVar("F", bound=Callable[..., Any])


def gap(*names: str) -> Callable[[F], F]:
    """Bind a scenario to gaps or clauses: `@gap("SYS-03.c", "SYS-03.e")`.

    A bare gap id means all its clauses. Coroutine functions run on the worker's one event loop,
    where the stack and its connections live.

    Args:
        names: at least one gap id (`SYS-03`) or clause (`SYS-03.c`).
    """
    import pytest  # noqa: PLC0415 - the command line does not need it

    if not names:
        raise TypeError("gap() needs at least one gap or clause, e.g. @gap('SYS-03.c')")

    def bind(function: F) -> F:
        inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
        if inspect.iscoroutinefunction(inner):
            function = pytest.mark.asyncio(loop_scope="session")(function)
        marked: F = pytest.mark.gap(*names)(function)
        return marked

    return bind


def bound_names(definition: pytest.Item | Any) -> tuple[str, ...]:
    """The names that a test function is bound to, in the order written; empty if it is not a scenario."""
    names: list[str] = []
    for mark in reversed(list(definition.iter_markers(MARKER))):
        names.extend(mark.args)
    return tuple(dict.fromkeys(names))
