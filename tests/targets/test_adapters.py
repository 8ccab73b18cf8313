"""Adapters are found beside their system, loaded before anything starts, and never confused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overbooked.config import Settings
from overbooked.errors import ConfigError
from overbooked.runs.stack_factory import load_descriptor, resolve_kind, stack_factory

ADAPTER = """
class Hall:
    capabilities = frozenset()
    async def connect(self, surroundings): ...
    async def close(self): ...
    async def open_slot(self, *, capacity, price, private_venue=False): ...
    async def customers(self, names): ...
"""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path


def project(folder: Path, adapter: str, *, root: str = ".") -> Settings:
    (folder / "target").mkdir(exist_ok=True)
    (folder / "target" / "system.toml").write_text(
        f'name = "hall"\nadapter = "{adapter}"\nroot = "{root}"\n'
        '[[service]]\nname = "app"\ncommand = ["true"]\n'
    )
    (folder / "overbooked.toml").write_text('[target]\ndescriptor = "target/system.toml"\n')
    return Settings.load({"stack": {"kind": "embedded"}}, start=folder)


@pytest.mark.parametrize("place", [".", "target", "service"])
def test_an_adapter_is_found_beside_the_settings_the_descriptor_and_in_root(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / "service").mkdir(exist_ok=True)
    (tmp_path / place / "hall_of_this_test.py").write_text(ADAPTER)
    settings = project(tmp_path, "hall_of_this_test:Hall", root="../service")
    adapter = load_descriptor(settings).load_adapter()
    assert Path(sys.modules[type(adapter).__module__].__file__ or "").parent == (tmp_path / place).resolve()


@pytest.mark.parametrize(
    ("source", "named", "said"),
    [
        ("", "nowhere_at_all:Hall", "No module named 'nowhere_at_all'; looked in .*target.* and in the env"),
        ("Hall = 1", "broken_hall:Hall", "TypeError"),
        ("raise RuntimeError('no settings')", "broken_hall:Hall", r"RuntimeError\('no settings'\)"),
        ("def Hall(:", "broken_hall:Hall", "SyntaxError"),
        ("class Hall: ...", "broken_hall:Hall", "is not an adapter: it needs capabilities"),
        (
            ADAPTER.replace("frozenset()", "frozenset({'booking'})"),
            "broken_hall:Hall",
            "claims what it does not",
        ),
        (
            ADAPTER.replace("frozenset()", "frozenset({'bookings'})"),
            "broken_hall:Hall",
            "claims 'bookings', which is no capability; there are 'booking'",
        ),
    ],
)
def test_an_adapter_that_cannot_be_used_is_refused_before_anything_starts(
    tmp_path: Path, source: str, named: str, said: str
) -> None:
    (tmp_path / "broken_hall.py").write_text(source)
    settings = project(tmp_path, named)
    with pytest.raises(ConfigError, match=said):
        resolve_kind(settings, load_descriptor(settings))
    with pytest.raises(ConfigError, match=said):
        stack_factory(settings)


def test_an_adapter_is_not_mistaken_for_a_module_of_the_environment(tmp_path: Path) -> None:
    # `colorsys` is in the standard library and not imported yet: the system's module has precedence.
    sys.modules.pop("colorsys", None)
    (tmp_path / "colorsys.py").write_text(ADAPTER)
    settings = project(tmp_path, "colorsys:Hall")
    assert load_descriptor(settings).load_adapter().capabilities == frozenset()


def test_an_adapter_whose_name_is_taken_says_by_what(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(ADAPTER)
    settings = project(tmp_path, "json:Hall")
    with pytest.raises(
        ConfigError, match=r"the name 'json' is taken by .*/json/__init__.py, so .*json.py cannot"
    ):
        load_descriptor(settings).load_adapter()
