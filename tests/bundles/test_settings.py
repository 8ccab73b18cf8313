"""The `[bundles]` table: allowed values, and the messages about others."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.config import Settings
from overbooked.errors import ConfigError


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    bundles = Settings.load(start=tmp_path).bundles
    assert (bundles.keep, bundles.size_kib, bundles.redact) == (200, 512, ())


def test_patterns_are_taken_as_they_are(tmp_path: Path) -> None:
    settings = Settings.load({"bundles": {"redact": [r"room \d+"]}}, start=tmp_path)
    assert settings.bundles.redact == (r"room \d+",)


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"keep": 0}, "bundles.keep"),
        ({"size_kib": 1}, "bundles.size_kib"),
        ({"redact": ["("]}, "is not a regular expression"),
        ({"more": 1}, "more"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, said: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        Settings.load({"bundles": said}, start=tmp_path)
