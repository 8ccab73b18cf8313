"""Load profiles are validated strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.errors import ConfigError
from overbooked.load.profile import load_profile, profiles
from tests.load.samples import profile


@pytest.mark.parametrize("name", sorted(profiles()))
def test_every_bundled_profile_can_be_read_under_its_name(name: str):
    assert load_profile(name).name == name
    assert load_profile(name).summary


def test_a_profile_of_ones_own_is_named_by_its_file(tmp_path: Path):
    mine = tmp_path / "mine.toml"
    mine.write_text((Path(profiles()["smoke"])).read_text().replace('"smoke"', '"mine"'))
    assert load_profile(str(mine)).name == "mine"


def test_an_unknown_profile_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no load profile 'smok'; there are .*smoke"):
        load_profile("smok")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("rate = 20", "rate = 0"), "rate"),
        (("book = 5", "steal = 5"), "journeys: .*no journey steal; there are book"),
        (("people", "persons"), "people"),
        (("[journeys]", "[journeys"), "cannot be read"),
    ],
)
def test_a_mistake_in_a_profile_is_named(tmp_path: Path, change: tuple[str, str], said: str):
    mine = tmp_path / "mine.toml"
    mine.write_text(profiles()["smoke"].read_text().replace(*change))
    with pytest.raises(ConfigError, match=said):
        load_profile(str(mine))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load_profile(str(tmp_path / "nowhere.toml"))


def test_rate_and_time_can_be_changed_and_make_the_arrivals():
    assert profile().arrivals == 40
    assert profile().at(rate=10).arrivals == 10
    assert profile().at(seconds=0.001).arrivals == 1
    assert profile().at() == profile()
