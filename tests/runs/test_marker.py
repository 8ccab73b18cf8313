"""The marker binds a scenario to clauses, and is refused if it would bind nothing."""

from __future__ import annotations

import pytest

from overbooked import gap


def test_a_gap_without_a_name_is_refused() -> None:
    with pytest.raises(TypeError, match="at least one"):
        gap()


def test_coroutine_functions_run_on_the_workers_one_loop() -> None:
    @gap("SYS-03.c", "SYS-03.e")
    async def scenario() -> None: ...

    marks = {mark.name: mark for mark in scenario.pytestmark}  # type: ignore[attr-defined]
    assert marks["gap"].args == ("SYS-03.c", "SYS-03.e")
    assert marks["asyncio"].kwargs == {"loop_scope": "session"}


def test_other_functions_need_no_loop() -> None:
    @gap("SYS-03.c")
    def scenario() -> None: ...

    assert [mark.name for mark in scenario.pytestmark] == ["gap"]  # type: ignore[attr-defined]
