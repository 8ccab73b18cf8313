"""Output lines, and a live status on terminals only."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from overbooked.cli.display import LiveDisplay, PlainDisplay, open_display
from overbooked.cli.progress import Progress
from overbooked.runs.collected import CollectedTrial
from overbooked.runs.plan import Trial
from overbooked.runs.result import TrialResult


def test_a_sentence_is_one_line_however_long() -> None:
    stream = io.StringIO()
    PlainDisplay(Console(file=stream, width=20)).line(Text("a sentence that is longer than twenty"))
    assert stream.getvalue().count("\n") == 1


def test_a_terminal_shows_lines_over_a_status() -> None:
    stream = io.StringIO()
    moving = LiveDisplay(Console(file=stream, force_terminal=True, width=60))
    with moving.live:
        moving.status("3 of 9")
        moving.line(Table.grid())
        moving.line(Text("kept"))
        moving.live.refresh()
    assert "3 of 9" in stream.getvalue()
    assert "kept" in stream.getvalue()


def test_what_is_no_terminal_gets_lines_only(capfd: pytest.CaptureFixture[str]) -> None:
    with open_display() as display:
        display.status("never seen")
        display.line(Text("seen"))
    assert capfd.readouterr().err == "seen\n"


def test_elsewhere_a_status_is_a_line_when_nothing_was_said_for_long() -> None:
    stream, now = io.StringIO(), [0.0]
    plain = PlainDisplay(Console(file=stream, width=60), quiet_s=60, clock=lambda: now[0])

    def at(seconds: float, text: str) -> None:
        now[0] = seconds
        plain.status(text)

    at(59, "too soon")
    at(61, "1 of 9")
    at(110, "too soon again")
    plain.line(Text("found something"))
    at(150, "not so soon after a line")
    at(175, "7 of 9")
    assert stream.getvalue().splitlines() == ["1:01  1 of 9", "found something", "2:55  7 of 9"]


def trial(name: str) -> CollectedTrial:
    return CollectedTrial(f"t.py::test_{name}", Trial("healthy"), ("SYS-03.c",))


def test_progress_counts_and_estimates_from_what_scenarios_took_before() -> None:
    progress = Progress(workers=2, weights={"t.py::test_a": 10.0, "t.py::test_b": 30.0})
    assert progress.sentence() == "starting"
    progress.expect({"a": trial("a"), "b": trial("b")})
    progress.start(trial("a"))
    assert progress.left_s() is None
    assert progress.sentence() == "0 of 2   a [healthy]"
    broken = TrialResult.failed("t.py::test_a", Trial("healthy"), ("SYS-03.c",), "x")
    progress.end(
        TrialResult(
            **{name: getattr(broken, name) for name in ("scenario", "trial", "results", "started_at")},
            duration_s=20.0,
        )
    )
    assert progress.left_s() == pytest.approx(30.0)  # twice as slow as before, on two workers
    assert progress.sentence() == "1 of 2   about 0:30 left"
