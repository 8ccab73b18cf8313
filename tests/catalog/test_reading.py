"""An inconsistent catalog is refused with all of its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.catalog import Catalog
from overbooked.catalog.reading import read_gaps
from overbooked.errors import ConfigError, ExitCode

HEAD = 'source = "ours"\nprefix = "OUR"\n'
GAP = """
[[gap]]
id = "{id}"
title = "Ours"
priority = "{priority}"
theme = "ours"
{more}
closed_when = [
  {{ id = "a", by = ["{by}"], text = "it holds" }},
  {{ id = "b", by = ["matrix"], text = "so does this" }},
]
open_when = [
  {{ id = 1, breaks = ["a"], text = "it does not" }},
  {{ id = 2, breaks = ["{breaks}"], text = "nor this" }},
]
"""


def gap(id_="OUR-1", priority="P1", by="journey", breaks="b", more="") -> str:
    return GAP.format(id=id_, priority=priority, by=by, breaks=breaks, more=more)


def load(tmp_path: Path, text: str) -> Catalog:
    (tmp_path / "ours.toml").write_text(text)
    return Catalog.load([tmp_path])


def test_gaps_of_ones_own_stand_beside_the_bundled_ones(tmp_path):
    catalog = load(tmp_path, HEAD + gap(more='same_as = ["SYS-03"]'))
    assert len(catalog) == 158
    assert catalog.gaps[-1].id == "OUR-1"
    assert catalog.gap("OUR-1").same_as == ("SYS-03",)


def test_one_file_can_be_named_instead_of_a_folder(tmp_path):
    file = tmp_path / "ours.toml"
    file.write_text(HEAD + gap())
    assert Catalog.load([file]).gap("OUR-1").title == "Ours"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (gap(breaks="z"), "OUR-1.2 breaks OUR-1.z, which is no clause of OUR-1"),
        (gap(breaks="a"), "OUR-1.b is broken by no mutant"),
        (gap(more='same_as = ["SYS-99"]'), "the same as SYS-99, which is no gap"),
        (gap() + gap(), "OUR-1 is used 2 times"),
        # A gap's id may equal the name of another gap's mutant, which would be ambiguous.
        (gap() + gap("OUR-1.1"), "OUR-1.1 is used 2 times"),
        (gap(priority="P9"), "gap OUR-1 priority: Input should be 'P0', 'P1', 'P2' or 'P3'"),
        (gap(by="magic"), "gap OUR-1 closed_when 1 by 1: Input should be 'interleavings'"),
        (gap(more='colour = "red"'), "gap OUR-1 colour: Extra inputs are not permitted"),
        (gap("YOUR-1"), "its prefix is OUR, but it has YOUR-1"),
        ("[[gap]\n", "not TOML"),
        ("gap = []\n", "at least 1 item"),
    ],
)
def test_a_contradiction_is_refused_with_its_place(tmp_path, text, wrong):
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, HEAD + text)
    assert wrong in str(raised.value)
    assert "ours.toml" in str(raised.value)
    assert raised.value.exit_code is ExitCode.USAGE


def test_everything_wrong_is_said_at_once(tmp_path):
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, HEAD + gap(breaks="z", more='same_as = ["SYS-99"]'))
    assert str(raised.value).count("OUR-1") >= 3


def test_a_gap_without_an_id_is_named_by_its_place():
    with pytest.raises(ConfigError, match=r"here: gap 1 id: Field required"):
        read_gaps(HEAD + gap().replace('id = "OUR-1"\n', ""), "here")


def test_a_gap_section_that_is_no_table_is_refused():
    with pytest.raises(ConfigError, match="here: gap"):
        read_gaps(HEAD + "gap = [1]", "here")


def test_a_folder_without_catalog_files_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="found none"):
        Catalog.load([tmp_path])


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Catalog.load([tmp_path / "gone.toml"])
