"""Evidence of the explorer: lanes instead of operations, and the command that replays them."""

from __future__ import annotations

import io

from rich.console import Console

from overbooked.reporting.console import finding_text
from overbooked.reporting.markdown import cell
from overbooked.reporting.terminal import show
from overbooked.reporting.text import lanes, replay
from overbooked.verdicts.evidence import Finding

DRAWN = [f"ana  step {n}" for n in range(30)]
SHOWN = {"lanes": DRAWN, "replay": "overbooked replay reports/out/3f9c/SYS-03.a.json"}


def plain(finding: Finding) -> str:
    console = Console(file=io.StringIO())
    show(console, finding_text("a", finding, "overbooked run SYS-03.a"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lanes_stand_whole_in_the_place_of_operations() -> None:
    text = plain(Finding("sold twice", operations=("ok 201",), details=SHOWN))
    assert all(line in text for line in DRAWN)
    assert "ok 201" not in text
    assert "more in the scorecard" not in text


def test_the_replay_stands_in_the_place_of_another_run() -> None:
    text = plain(Finding("sold twice", details=SHOWN))
    assert "overbooked replay reports/out/3f9c/SYS-03.a.json" in text
    assert "overbooked run" not in text


def test_why_there_is_no_bundle_is_said() -> None:
    finding = Finding("sold twice", details={"lanes": DRAWN, "no bundle": "no space"})
    assert "no bundle: no space" in plain(finding)
    assert cell(replay(finding)) == "no bundle: no space"


def test_other_findings_are_shown_as_ever() -> None:
    finding = Finding("sold twice", operations=("ok 201",), details={"lanes": 5})
    assert lanes(finding) == ()
    assert replay(finding) == ""
    assert "ok 201" in plain(finding)
    assert "overbooked run SYS-03.a" in plain(finding)
