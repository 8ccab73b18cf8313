"""A mutant's code counts its runs and replaces every reference; otherwise the mutant does not load."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import psycopg
import pytest

from reference_system.booking.platform import db
from reference_system.mutants.listing import listed_mutants
from reference_system.mutants.mutant import Mutant, MutantStale
from reference_system.mutants.registry import mutant
from reference_system.mutants.schema import FINGERPRINT, in_force, mark
from tests.reference_system.servers import Servers

PLACES = "reference_system.booking.some_places"


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Return a factory of loaded modules of the service; a mutant's changes are undone afterwards."""
    monkeypatch.setattr(db, "_statement", db._statement)

    def make(source: str, name: str = PLACES) -> ModuleType:
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(source, vars(module))
        return module

    return make


def replace(target: Callable[..., Any], by: Callable[..., Any]) -> Any:
    loaded = Mutant("SYS-03.1", "harm")
    loaded.replace(target)(by)
    return loaded.apply()


def edit(*texts: str) -> Any:
    loaded = Mutant("SYS-03.1", "harm")
    for text in texts:
        loaded.edit(text, " FOR UPDATE", "")
    return loaded.apply()


def no(slot: int) -> bool:
    return False


def test_a_replaced_function_counts_its_calls(part: Callable[..., ModuleType]) -> None:
    places = part("def has_place(slot): return True")
    receipts = replace(places.has_place, no)
    assert receipts.ran == {f"{PLACES}:has_place": 0}
    assert [places.has_place(1), places.has_place(2)] == [False, False]
    assert receipts.ran == {f"{PLACES}:has_place": 2}


async def test_a_replaced_coroutine_function_counts_and_stays_one(part: Callable[..., ModuleType]) -> None:
    places = part("async def claim(slot): return True")

    async def refused(slot: int) -> bool:
        return False

    receipts = replace(places.claim, refused)
    assert await places.claim(1) is False
    assert receipts.ran == {f"{PLACES}:claim": 1}


def test_a_name_that_a_caller_imported_is_replaced_too(part: Callable[..., ModuleType]) -> None:
    places = part("def has_place(slot): return True")
    caller = part(f"from {PLACES} import has_place as free\ndef book(): return free(1)", f"{PLACES}_caller")
    receipts = replace(places.has_place, no)
    assert caller.book() is False
    assert receipts.ran == {f"{PLACES}:has_place": 1}


def test_a_class_that_holds_the_function_is_changed_too(part: Callable[..., ModuleType]) -> None:
    places = part("def has_place(slot): return True")
    caller = part(
        f"from {PLACES} import has_place\n"
        "class Desk:\n    free = staticmethod(has_place)\n    plain = has_place",
        f"{PLACES}_caller",
    )
    with pytest.raises(MutantStale, match="also held by staticmethod"):
        replace(places.has_place, no)
    del caller.Desk.free
    replace(places.has_place, no)
    assert vars(caller.Desk)["plain"](1) is False


@pytest.mark.parametrize(
    "holding",
    [
        "JOBS = {'look': has_place}",
        "JOBS = [has_place]",
        "import functools\nlook = functools.partial(has_place, 1)",
        "def made(f):\n    return lambda: f(1)\nlook = made(has_place)",
        "def look(slot, by=has_place): return by(slot)",
    ],
    ids=["a registry", "a list", "a partial", "a closure", "a default"],
)
def test_a_reference_that_cannot_be_replaced_refuses_the_mutant(
    part: Callable[..., ModuleType], holding: str
) -> None:
    places = part("def has_place(slot): return True")
    part(f"from {PLACES} import has_place\n{holding}", f"{PLACES}_caller")
    with pytest.raises(MutantStale, match=r"is also held by .* the replacement would not run there"):
        replace(places.has_place, no)


def test_a_mutant_may_call_what_it_replaces(part: Callable[..., ModuleType]) -> None:
    places = part("def has_place(slot): return True")
    mine = part("", "reference_system.mutants.some_gap")
    mine.original = places.has_place  # type: ignore[attr-defined]

    def never_twice(slot: int) -> bool:
        return bool(mine.original(slot)) and slot != 2

    replace(places.has_place, never_twice)
    assert [places.has_place(1), places.has_place(2)] == [True, False]


def test_a_mutant_gets_the_original_of_what_it_wraps(part: Callable[..., ModuleType]) -> None:
    places = part("def has_place(slot): return True")
    loaded = Mutant("SYS-03.1", "harm")

    @loaded.wrap(places.has_place)
    def never_twice(has_place: Callable[[int], bool], slot: int) -> bool:
        return has_place(slot) and slot != 2

    receipts = loaded.apply()
    assert [places.has_place(1), places.has_place(2)] == [True, False]
    assert receipts.ran == {f"{PLACES}:has_place": 2}


async def test_a_wrapped_coroutine_function_stays_one(part: Callable[..., ModuleType]) -> None:
    places = part("async def claim(slot): return slot")
    loaded = Mutant("SYS-03.1", "harm")

    @loaded.wrap(places.claim)
    async def twice(claim: Callable[..., Any], slot: int) -> int:
        return int(await claim(slot)) * 2

    receipts = loaded.apply()
    assert inspect.iscoroutinefunction(places.claim)
    assert await places.claim(slot=4) == 8
    assert receipts.ran == {f"{PLACES}:claim": 1}


@pytest.mark.parametrize("parameters", ["place", "slot, more", ""])
def test_other_parameters_refuse_the_mutant(part: Callable[..., ModuleType], parameters: str) -> None:
    places = part("def has_place(slot): return True")
    by: dict[str, Any] = {}
    exec(f"def by({parameters}): pass", by)
    with pytest.raises(MutantStale, match=rf"takes \(slot\), its replacement \({parameters}\)"):
        replace(places.has_place, by["by"])


def test_what_the_service_does_not_hold_refuses_the_mutant(part: Callable[..., ModuleType]) -> None:
    with pytest.raises(MutantStale, match="is held by no module and no class of the service"):
        replace(no, no)
    with pytest.raises(MutantStale, match="no module of the service holds the text"):
        edit("SELECT 1 FROM nothing FOR UPDATE")


def test_an_edited_statement_counts_when_it_is_executed_alone_or_in_another(
    part: Callable[..., ModuleType],
) -> None:
    places = part("LOCK = 'SELECT 1 FROM slots FOR UPDATE'")
    receipts = edit(places.LOCK)
    assert str(db._statement(places.LOCK)) == "SELECT 1 FROM slots"
    db._statement(f"WITH x AS ({places.LOCK}) SELECT 1")
    db._statement("SELECT 2")
    assert receipts.ran == {f"{PLACES}:LOCK": 2}


def test_a_text_that_a_caller_imported_is_edited_too(part: Callable[..., ModuleType]) -> None:
    places = part("LOCK = 'SELECT 1 FROM slots FOR UPDATE'")
    caller = part(f"from {PLACES} import LOCK as MINE", f"{PLACES}_caller")
    edit(places.LOCK)
    assert caller.MINE == "SELECT 1 FROM slots"


def test_a_text_that_was_put_together_before_the_edit_refuses_the_mutant(
    part: Callable[..., ModuleType],
) -> None:
    source = "LOCK = 'SELECT 1 FROM slots FOR UPDATE'\nBOTH = f'WITH x AS ({LOCK}) SELECT 1'"
    places = part(source)
    with pytest.raises(MutantStale, match=r"is part of .*:BOTH, composed before the edit: edit that too"):
        edit(places.LOCK)
    places = part(source)
    edit(places.LOCK, places.BOTH)
    assert "UPDATE" not in places.LOCK + places.BOTH


@pytest.mark.parametrize("name", [one.id for one in listed_mutants().values() if one.changes_schema])
async def test_a_schema_change_is_in_force_until_it_is_undone(servers: Servers, name: str) -> None:
    statements = mutant(name).schema
    owner = await psycopg.AsyncConnection.connect(servers.dsns["owner"])
    async with owner:
        before = await _fingerprint(owner)
        for statement in statements:
            await owner.execute(statement.encode())
        after = await _fingerprint(owner)
        assert after != before
        assert in_force(name, mark(name, after), after)
        assert not in_force(name, mark(name, after), before)
        assert not in_force("SYS-03.2", mark("SYS-99.1", after), after)
        await owner.rollback()


async def _fingerprint(connection: psycopg.AsyncConnection[Any]) -> str:
    row = await (await connection.execute(FINGERPRINT.encode())).fetchone()
    assert row is not None
    return str(row[0])
