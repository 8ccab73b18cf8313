"""Mutants are found by their module's name, listed without importing the service, and each one loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import reference_system.mutants as package
from reference_system.mutants import list as listing_command
from reference_system.mutants.listing import listed_mutants
from reference_system.mutants.mutant import MutantStale
from reference_system.mutants.registry import mutant

OWN = '''"""SYS-99: a contributor's own."""

from reference_system.booking.venues import places
from reference_system.mutants.mutant import Mutant

always = Mutant(
    "SYS-99.1",
    "Every slot has a place.",
    schema=(f"DROP TABLE {places.__name__}",),
    also_opens={"SYS-99.b": "why"},
)


@always.replace(places.has_place)
def yes(slot): return True
'''

# Each in a separate process, forked from one that has not imported the service.
LOAD_EACH = """
import os, sys
import fastapi, httpx, redis.asyncio, sqlalchemy.ext.asyncio, structlog
from reference_system.mutants.listing import listed_mutants
from reference_system.mutants.registry import mutant
for name in listed_mutants():
    if os.fork() == 0:
        receipts = mutant(name).apply()
        gaps = [m for m in sys.modules if m.startswith("reference_system.mutants.") and m.count(".") == 3]
        assert len(gaps) == 1, gaps
        print(name, len(receipts.ran), flush=True)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(name + " does not load")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a contributor's mutants beside the bundled ones."""
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return folder


def test_every_mutant_loads_and_only_its_own_module_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD_EACH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = dict(line.split() for line in done.stdout.splitlines())
    assert list(loaded) == list(listed_mutants())
    listed = listed_mutants()
    assert all(
        int(substitutions) > 0 or listed[name].changes_schema for name, substitutions in loaded.items()
    )


def test_the_list_imports_nothing_of_the_service() -> None:
    code = (
        "import sys; from reference_system.mutants.list import main; main(['--json'])\n"
        "assert not [m for m in sys.modules if m.startswith(('reference_system.booking', 'sqlalchemy'))]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = {row["id"]: row for row in json.loads(done.stdout)}
    assert set(rows["SYS-03.4"]) == {"id", "gap", "harm", "cites", "changes_schema", "also_opens", "source"}
    assert rows["SYS-03.4"]["gap"] == "SYS-03"
    assert rows["SYS-03.4"]["source"] == "reference_system/mutants/revenue/sys_03.py"
    assert rows["SYS-03.4"]["changes_schema"] is True
    assert list(rows["SYS-03.4"]["also_opens"]) == ["SYS-03.c", "SYS-03.d", "SYS-03.e"]
    assert rows["SYS-04.1"]["changes_schema"] is False
    assert rows["SYS-04.1"]["cites"].startswith("spree#")


def test_a_new_module_in_a_folder_of_any_name_is_enough(own: Path) -> None:
    (own / "sys_99.py").write_text(OWN)
    listed = listed_mutants()["SYS-99.1"]
    assert (listed.harm, listed.changes_schema, dict(listed.also_opens)) == (
        "Every slot has a place.",
        True,
        {"SYS-99.b": "why"},
    )
    found = mutant("SYS-99.1")
    assert (found.id, found.gap, found.harm) == ("SYS-99.1", "SYS-99", listed.harm)
    assert found.schema == ("DROP TABLE reference_system.booking.venues.places",)


def test_an_unknown_mutant_names_those_there_are() -> None:
    for name in ("SYS-03.99", "SYS-98.1", "nonsense"):
        with pytest.raises(LookupError, match=f"no mutant {name}; there are HARD-01.1, .*SYS-R5.4"):
            mutant(name)


def test_an_id_given_twice_is_refused(own: Path) -> None:
    (own / "sys_03.py").write_text('twice = Mutant("SYS-03.1", "harm")\n')
    with pytest.raises(LookupError, match=r"two mutants have the id SYS-03.1: in .*revenue.* and .*mine"):
        listed_mutants()


def test_what_cannot_be_read_without_importing_is_refused(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "sys_99.py").write_text('HARM = "x"\n\nany = Mutant("SYS-99.1", HARM)\n')
    with pytest.raises(SystemExit, match=r"sys_99.py:3: Mutant\(...\) takes literals for id, harm"):
        listing_command.main([])
    assert capsys.readouterr().out == ""


def test_a_module_that_no_longer_fits_the_service_says_so(own: Path) -> None:
    (own / "sys_99.py").write_text(OWN.replace("places.has_place", "places.has_room"))
    with pytest.raises(MutantStale, match=r"mine.sys_99 does not fit the service: .*has_room.*up to date"):
        mutant("SYS-99.1")
