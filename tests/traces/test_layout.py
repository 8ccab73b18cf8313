"""Lanes: what they say of a trace, how they wrap, and that pictures and pages are safe to open."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from overbooked.traces.html import Headline, lanes_html
from overbooked.traces.layout import legend, short_name, text_lines
from overbooked.traces.svg import lanes_svg
from overbooked.traces.terminal import LanesOnTerminal
from tests.traces.sample_traces import BLOCKED, LOST_CHECK, step, trace


@pytest.mark.parametrize(
    ("shape", "protocol", "name"),
    [
        ("BEGIN", "postgres", "BEGIN"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "postgres", "BEGIN"),
        ("SELECT a, b FROM slots WHERE id = $1", "postgres", "SELECT slots"),
        ('SELECT a FROM public."slots" s JOIN venues v', "postgres", "SELECT slots"),
        ("SELECT taken\nFROM slots\nWHERE id = $1 FOR UPDATE", "postgres", "SELECT slots FOR UPDATE"),
        ("SELECT a FROM slots FOR NO KEY UPDATE SKIP LOCKED", "postgres", "SELECT slots FOR UPDATE"),
        ("INSERT INTO bookings (id) SELECT id FROM holds", "postgres", "INSERT bookings"),
        ("UPDATE slots SET taken = taken + 1 FROM holds", "postgres", "UPDATE slots"),
        ("DELETE FROM holds WHERE id = $1", "postgres", "DELETE holds"),
        ("SELECT pg_advisory_xact_lock($1)", "postgres", "SELECT pg_advisory_xact_lock()"),
        ("SELECT now()", "postgres", "SELECT now()"),
        ("ROLLBACK TO SAVEPOINT s", "postgres", "ROLLBACK TO"),
        ("WITH a AS (SELECT 1 FROM holds) UPDATE slots SET x = (SELECT 1)", "postgres", "UPDATE slots"),
        (
            "WITH a AS (INSERT INTO b VALUES ($1)) SELECT * FROM c FOR UPDATE",
            "postgres",
            "SELECT c FOR UPDATE",
        ),
        ("GET session:?", "redis", "GET session"),
        ("SET lock:slot:? ? NX", "redis", "SET lock"),
        ("PING", "redis", "PING"),
        ("POST /intents/?/capture", "http", "POST /intents/?/capture"),
    ],
)
def test_a_step_has_a_short_name(shape: str, protocol: str, name: str) -> None:
    assert short_name(step(0, shape, protocol)) == name


def test_lanes_show_the_order_of_two_actors() -> None:
    assert text_lines(LOST_CHECK, 200) == [
        "ana  BEGIN  SELECT slots                                                      "
        "INSERT bookings  COMMIT  201",
        "ben                       >BEGIN  SELECT slots  INSERT bookings  COMMIT  201",
        "> preemption: another actor goes on",
    ]


def test_the_columns_of_a_block_are_aligned() -> None:
    first, second, _ = text_lines(BLOCKED, 200)
    at = first.index("INSERT bookings")
    assert second[at : at + 15] == "waits for ana··"
    assert second.endswith("ROLLBACK  409")
    assert first.rstrip().endswith("COMMIT  201")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_lanes_wrap_to_the_width_and_lose_nothing(width: int) -> None:
    drawn = text_lines(LOST_CHECK, width)
    assert all(len(line) <= width for line in drawn)
    words = " ".join(drawn)
    for name, times in (("BEGIN", 2), ("SELECT slots", 2), ("INSERT bookings", 2), ("COMMIT", 2), ("201", 2)):
        assert words.count(name) == times


def test_a_column_that_is_wider_than_the_line_stands_alone() -> None:
    drawn = text_lines(trace(step(0, "SELECT " + "x" * 40), step(1, "BEGIN")), 10)
    assert any(line.startswith("ana  SELECT") for line in drawn)


def test_errors_parks_and_actors_without_a_step_are_shown() -> None:
    drawn = trace(
        step(0, "INSERT INTO bookings (id) VALUES ($1)", error="23505"),
        step(0, "ROLLBACK", parked=True),
        answers=("500", "no answer"),
    )
    lines = text_lines(drawn, 120)
    assert lines[0] == "ana  INSERT bookings !23505  ROLLBACK ~  500"
    assert lines[1] == "ben  no answer"
    assert lines[2] == "~ then no progress at the wire until others had gone on   ! an error"


def test_actors_of_one_name_are_told_apart() -> None:
    drawn = trace(step(0, "BEGIN"), step(1, "BEGIN", blocked_by=(0,), blocked_until=2))
    twins = replace(drawn, actors=tuple(replace(actor, name="ana") for actor in drawn.actors))
    assert [line.split("  ")[0] for line in text_lines(twins, 80)[:2]] == ["ana 1", "ana 2"]
    assert "waits for ana 1" in lanes_html(twins, Headline("x", "open"))
    assert ">ana 2<" in lanes_svg(twins)


def test_a_trace_without_marks_needs_no_legend() -> None:
    assert legend(trace(step(0, "BEGIN"))) == ""


def test_a_trace_without_steps_is_two_names() -> None:
    assert text_lines(trace(answers=("", "")), 80) == []
    assert "<svg" in lanes_svg(trace(answers=("", "")))


def on(console: Console) -> str:
    console.print(LanesOnTerminal(LOST_CHECK))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_there_is_colour_on_a_terminal_only() -> None:
    plain = on(Console(file=io.StringIO(), width=120))
    coloured = on(Console(file=io.StringIO(), width=120, force_terminal=True, color_system="standard"))
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()


def test_lanes_on_a_terminal_are_as_wide_as_it_is() -> None:
    narrow = on(Console(file=io.StringIO(), width=60))
    assert max(map(len, narrow.splitlines())) <= 60


NASTY = '<script>alert("1")</script>&\u202e'


def nasty() -> tuple[str, str]:
    drawn = trace(step(0, f"SELECT {NASTY}", text=NASTY, reply=NASTY), step(1, "BEGIN", error="<b>"))
    headline = Headline(NASTY, "open", NASTY, [(NASTY, NASTY)], NASTY)
    return lanes_svg(drawn, title=NASTY), lanes_html(drawn, headline)


def test_pictures_and_pages_are_escaped() -> None:
    for drawn in nasty():
        assert "<script" not in drawn
        assert "&lt;script&gt;" in drawn
        assert "<b>" not in drawn


def test_pictures_and_pages_need_nothing_from_elsewhere() -> None:
    for drawn in nasty():
        without = drawn.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?:|//|url\(|@import|<link|src=|href=", without)


def test_a_picture_is_well_formed_and_has_every_step() -> None:
    root = ElementTree.fromstring(lanes_svg(LOST_CHECK, columns=40))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts.count("SELECT slots") == 2
    assert texts.count("201") == 2
    assert texts.count("ana") == texts.count("ben") > 1


def test_a_page_says_what_happened_and_how_to_see_it_again() -> None:
    page = lanes_html(
        BLOCKED,
        Headline(
            "More bookings than capacity", "open", "SYS-03.a", [("expected", "1")], "overbooked replay x"
        ),
    )
    for said in (
        "OPEN",
        "SYS-03.a",
        "overbooked replay x",
        "waits for ana until step 5",
        "app-&gt;postgres #1",
    ):
        assert said in page
    assert "red arrow" not in page
    assert 'class="verdict closed"' in lanes_html(BLOCKED, Headline("x", "closed"))
