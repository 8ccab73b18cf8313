"""requirements.lock is complete: installed with --no-deps, it brings what every extra needs."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {"": [], **PROJECT["optional-dependencies"]}
# It contains a pytest plugin, so it is not in the lock.
UNLOCKED = {"benchmarks"}


def locked(path: Path) -> dict[str, str]:
    lines = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def lacking(direct: list[str], lock: dict[str, str]) -> list[str]:
    """Return the requirements on this Python and platform, nested extras included, that the lock lacks."""
    found: list[str] = []
    seen: set[tuple[str, str]] = set()
    todo = [(Requirement(text), "") for text in direct]
    while todo:
        needed, extra = todo.pop()
        if needed.marker and not needed.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(needed.name)
        version = lock.get(name)
        if version is None or not needed.specifier.contains(version, prereleases=True):
            found.append(f"{needed} (locked: {version})")
            continue
        for asked in {"", *needed.extras} - {known for one, known in seen if one == name}:
            seen.add((name, asked))
            todo += [(Requirement(text), asked) for text in metadata.requires(name) or ()]
    return found


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - UNLOCKED))
def test_the_lock_has_all_that_an_extra_needs(extra: str) -> None:
    assert lacking([*PROJECT["dependencies"], *EXTRAS[extra]], locked(ROOT / "requirements.lock")) == []


def test_the_lock_of_the_services_image_has_all_that_it_needs() -> None:
    lock = locked(ROOT / "reference_system" / "requirements.lock")
    assert lacking(EXTRAS["reference"], lock) == []
    assert lock.items() <= locked(ROOT / "requirements.lock").items()


def test_a_package_that_is_missing_is_noticed_also_behind_an_extra() -> None:
    lock = locked(ROOT / "requirements.lock")
    assert lacking(["sqlalchemy[asyncio]"], {**lock, "greenlet": "0.1"}) != []
    del lock["psycopg-binary"]
    assert [text.split("==")[0] for text in lacking(EXTRAS["reference"], lock)] == ["psycopg-binary"]


def test_what_is_installed_is_the_lock() -> None:
    lock = locked(ROOT / "requirements.lock")
    other = {
        name: (version, lock[name])
        for one in metadata.distributions()
        if (name := canonicalize_name(one.name)) in lock and (version := one.version) != lock[name]
    }
    assert other == {}
