"""Text from a system cannot hide a finding, flood a report or control a terminal."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from overbooked.errors import GapFound, HarnessError
from overbooked.plain_text import bounded, clean, cleaned
from overbooked.verdicts.judge import Judge
from tests.cli.conftest import Project, project

__all__ = ["project"]

HALF = "half \\ud83d a pair"
SAYS = """
@gap("SYS-03.c")
async def test_the_last_place(stack, judge):
    judge.count("rounds")
    judge.note("said", {said})
    {act}
"""
RAISES = {
    "a finding": "raise GapFound('sold {0}', observed={said}, operations=[{said}], details={{'a': {said}}})",
    "an oracle in a block": "with judge('SYS-03.c'):\n        raise GapFound({said})",
    "an error of an adapter": "raise ValueError({said})",
    "output": "import sys; print({said}); sys.stderr.write({said})\n    raise GapFound('sold twice')",
}


def judged(project: Project, act: str, *options: str, said: str) -> tuple[int, str, str]:
    """Return exit code, console output and verdict of a run whose scenario does `act` with `said`."""
    (project.root / "scenarios" / "test_races.py").unlink()
    source = SAYS.format(said=said, act=act.format("twice", said=said))
    project.scenario("said", "from overbooked import GapFound, gap\n" + source)
    called = project.call("run", "SYS-03.c", *options)
    (run,) = project.runs()
    text = (run / "scorecard.json").read_text(encoding="utf-8")
    clauses = {clause["id"]: clause for clause in json.loads(text)["gaps"][0]["clauses"]}
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] in ([], [".suspended"])
    return called.code, called.err, clauses["SYS-03.c"]["verdict"]


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("way", RAISES)
def test_half_a_surrogate_pair_costs_no_verdict(project: Project, way: str, workers: str) -> None:
    (project.root / "overbooked.toml").write_text(
        'canary = ""\n' + (project.root / "overbooked.toml").read_text()
    )
    _, _, verdict = judged(project, RAISES[way], "--workers", workers, said=f'"{HALF}"')
    assert verdict == ("inconclusive" if way == "an error of an adapter" else "open")


def test_escape_sequences_reach_neither_terminal_nor_reports(project: Project) -> None:
    said = '"\\x1b]0;owned\\x07 \\x1b[2J \\x9b31m \\u202egnp.exe"'
    code, console, verdict = judged(project, RAISES["a finding"], said=said)
    assert (code, verdict) == (1, "open")
    written = console + "".join(
        path.read_text(encoding="utf-8") for path in project.runs()[0].rglob("*") if path.is_file()
    )
    for character in "\x1b\x07\x9b\u202e":
        assert character not in written
    assert "\\x1b]0;owned" in console


def test_eleven_megabytes_stay_readable_and_are_kept_whole(project: Project) -> None:
    started = time.monotonic()
    _, console, verdict = judged(project, RAISES["a finding"], said='"x" * 11_000_000')
    assert verdict == "open"
    assert time.monotonic() - started < 60, "a console that lays out megabytes takes minutes"
    assert len(console) < 50_000
    (run,) = project.runs()
    sizes = {str(path.relative_to(run)): path.stat().st_size for path in run.rglob("*") if path.is_file()}
    assert sizes.pop("attachments/SYS-03.c-healthy-test_the_last_place.txt") > 11_000_000
    assert max(sizes.values()) < 200_000, sizes
    assert "attachments/SYS-03.c-healthy" in (run / "scorecard.json").read_text()
    assert _readable(run / "junit.xml")


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x0c", "\ufffe", "\uffff", "\x85", "\u2028"])
def test_junit_is_read_by_libxml2_whatever_is_said(project: Project, character: str) -> None:
    _, _, verdict = judged(project, RAISES["a finding"], said=repr(f"a{character}b"))
    assert verdict == "open"
    assert _readable(project.runs()[0] / "junit.xml")


def test_a_scorecard_of_somebody_else_is_cleaned_when_it_is_read(project: Project) -> None:
    judged(project, RAISES["a finding"], said='"harmless"')
    path = project.runs()[0] / "scorecard.json"
    path.write_text(path.read_text().replace("harmless", r"\u001b[2J\ud83d" + "y" * 1_000_000))
    called = project.call("report", str(path))
    assert called.code == 0, called.err
    assert "\x1b" not in called.out + called.err
    assert len(called.out + called.err) < 50_000


def test_exceptions_carry_clean_text() -> None:
    assert str(HarnessError("a\ud83d\x1bb")) == "a\\ud83d\\x1bb"
    gap = GapFound("a\ud83d", expected="\x1b", operations=["\x07"])
    assert (gap.what, gap.expected, gap.operations) == ("a\\ud83d", "\\x1b", ("\\x07",))
    assert len(str(GapFound("x" * 1_000_000))) < 30_000


def test_notes_reasons_and_details_are_clean() -> None:
    judge = Judge(["SYS-03.c"], "a")
    judge.note("k\x1b", {"a": ["\ud83d", ("\x1b",)], "n": 1})
    (result,) = judge.conclude(ValueError("\ud83d"))
    assert result.notes == {"k\\x1b": {"a": ["\\ud83d", ("\\x1b",)], "n": 1}}
    assert result.reason == "ValueError: \\ud83d"
    result.reason.encode()


def test_what_is_safe_stays_as_it_is() -> None:
    text = "tab\t, newline\n, Ünïcode, 😀, 漢字, e\u0301"
    assert clean(text) == text
    assert cleaned({"a": [1, None, True, text]}) == {"a": [1, None, True, text]}
    assert bounded(text, 1000) == text
    assert bounded("x" * 12, 10) == "x" * 10 + " [2 more characters]"


def _readable(path: Path) -> bool:
    """Whether libxml2 parses the file, with its own limits; where it is not installed, expat."""
    data = path.read_bytes()
    name = ctypes.util.find_library("xml2")
    if name is None:
        root = ET.fromstring(data)
        return all(len(text) < 10_000_000 for element in root.iter() for text in element.itertext())
    library = ctypes.CDLL(name)
    library.xmlReadMemory.restype = ctypes.c_void_p
    library.xmlFreeDoc.argtypes = [ctypes.c_void_p]
    document = library.xmlReadMemory(data, len(data), b"junit.xml", None, 32 | 64)  # no output
    if document:
        library.xmlFreeDoc(document)
    return bool(document)
