"""What a mutant puts in place counts its runs and reaches every reference, or the mutant does not load."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import psycopg
import pytest

from reference_system.booking import db
from reference_system.mutants.mutant import Edit, Mutant, MutantStale, Replace
from reference_system.mutants.registry import mutants
from reference_system.mutants.schema import FINGERPRINT, in_force, mark
from tests.reference_system.servers import Servers

PLACES = "reference_system.booking.some_places"


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Makes modules of the service, as they are once loaded; what a mutant changes is put back."""
    monkeypatch.setattr(db, "_statement", db._statement)

    def make(source: str, name: str = PLACES) -> ModuleType:
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(source, vars(module))
        return module

    return make


def load(*substitutions: Replace | Edit) -> Any:
    return Mutant("SYS-03.1", "harm", substitutions).apply()


def no(slot: int) -> bool:
    return False


def test_a_replaced_function_counts_its_calls(part: Callable[..., ModuleType]) -> None:
    places = part("def has_place(slot): return True")
    receipts = load(Replace(f"{PLACES}:has_place", no))
    assert receipts.ran == {f"{PLACES}:has_place": 0}
    assert [places.has_place(1), places.has_place(2)] == [False, False]
    assert receipts.ran == {f"{PLACES}:has_place": 2}


async def test_a_replaced_coroutine_function_counts_and_stays_one(part: Callable[..., ModuleType]) -> None:
    places = part("async def claim(slot): return True")

    async def refused(slot: int) -> bool:
        return False

    receipts = load(Replace(f"{PLACES}:claim", refused))
    assert await places.claim(1) is False
    assert receipts.ran == {f"{PLACES}:claim": 1}


def test_a_name_that_a_caller_imported_is_replaced_too(part: Callable[..., ModuleType]) -> None:
    part("def has_place(slot): return True")
    caller = part(f"from {PLACES} import has_place as free\ndef book(): return free(1)", f"{PLACES}_caller")
    receipts = load(Replace(f"{PLACES}:has_place", no))
    assert caller.book() is False
    assert receipts.ran == {f"{PLACES}:has_place": 1}


def test_a_class_that_holds_the_function_is_changed_too(part: Callable[..., ModuleType]) -> None:
    part("def has_place(slot): return True")
    caller = part(
        f"from {PLACES} import has_place\n"
        "class Desk:\n    free = staticmethod(has_place)\n    plain = has_place",
        f"{PLACES}_caller",
    )
    with pytest.raises(MutantStale, match="also held by staticmethod"):
        load(Replace(f"{PLACES}:has_place", no))
    del caller.Desk.free
    load(Replace(f"{PLACES}:has_place", no))
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
    part("def has_place(slot): return True")
    part(f"from {PLACES} import has_place\n{holding}", f"{PLACES}_caller")
    with pytest.raises(MutantStale, match=r"is also held by .* the replacement would not run there"):
        load(Replace(f"{PLACES}:has_place", no))


def test_a_mutant_may_call_what_it_replaces(part: Callable[..., ModuleType]) -> None:
    places = part("def has_place(slot): return True")
    mine = part("", "reference_system.mutants.some_gap")
    mine.original = places.has_place  # type: ignore[attr-defined]

    def never_twice(slot: int) -> bool:
        return bool(mine.original(slot)) and slot != 2

    load(Replace(f"{PLACES}:has_place", never_twice))
    assert [places.has_place(1), places.has_place(2)] == [True, False]


def test_an_edited_statement_counts_when_it_is_executed_alone_or_in_another(
    part: Callable[..., ModuleType],
) -> None:
    places = part("LOCK = 'SELECT 1 FROM slots FOR UPDATE'")
    receipts = load(Edit(f"{PLACES}:LOCK", " FOR UPDATE", ""))
    assert str(db._statement(places.LOCK)) == "SELECT 1 FROM slots"
    db._statement(f"WITH x AS ({places.LOCK}) SELECT 1")
    db._statement("SELECT 2")
    assert receipts.ran == {f"{PLACES}:LOCK": 2}


def test_a_text_that_a_caller_imported_is_edited_too(part: Callable[..., ModuleType]) -> None:
    part("LOCK = 'SELECT 1 FROM slots FOR UPDATE'")
    caller = part(f"from {PLACES} import LOCK as MINE", f"{PLACES}_caller")
    load(Edit(f"{PLACES}:LOCK", " FOR UPDATE", ""))
    assert caller.MINE == "SELECT 1 FROM slots"


def test_a_text_that_was_put_together_before_the_edit_refuses_the_mutant(
    part: Callable[..., ModuleType],
) -> None:
    source = "LOCK = 'SELECT 1 FROM slots FOR UPDATE'\nBOTH = f'WITH x AS ({LOCK}) SELECT 1'"
    part(source)
    with pytest.raises(MutantStale, match=r"is part of .*:BOTH, put together before the edit: edit that too"):
        load(Edit(f"{PLACES}:LOCK", " FOR UPDATE", ""))
    places = part(source)
    edits = [Edit(f"{PLACES}:{name}", " FOR UPDATE", "") for name in ("LOCK", "BOTH")]
    load(*edits)
    assert "UPDATE" not in places.LOCK + places.BOTH


@pytest.mark.parametrize("name", [one.id for one in mutants().values() if one.schema])
async def test_a_schema_change_is_in_force_until_it_is_undone(servers: Servers, name: str) -> None:
    mutant = mutants()[name]
    owner = await psycopg.AsyncConnection.connect(servers.dsns["owner"])
    async with owner:
        before = await _fingerprint(owner)
        for statement in mutant.schema:
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
