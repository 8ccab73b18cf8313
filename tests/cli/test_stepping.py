"""Reading typed input: lines, the end of the file, and cancellation while waiting for input."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from overbooked.cli.interactive import LineReader, answers


@pytest.fixture
def pipe() -> Iterator[tuple[LineReader, int]]:
    reading, writing = os.pipe()
    keyboard = LineReader(reading)
    yield keyboard, writing
    keyboard.close()
    os.close(writing)


def test_lines_come_one_by_one_without_their_blanks(pipe: tuple[LineReader, int]) -> None:
    keyboard, writing = pipe
    os.write(writing, b" 0 \n\nq\n")
    assert [keyboard.line() for _ in range(3)] == ["0", "", "q"]


def test_a_line_may_come_in_pieces(pipe: tuple[LineReader, int]) -> None:
    keyboard, writing = pipe
    os.write(writing, b"1")
    threading.Timer(0.02, os.write, (writing, b"2\n")).start()
    assert keyboard.line() == "12"


def test_what_a_file_ends_with_is_a_line_too() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"0\n1")
    os.close(writing)
    keyboard = LineReader(reading)
    assert [keyboard.line() for _ in range(3)] == ["0", "1", None]
    keyboard.close()


def test_a_read_that_waits_can_be_given_up(pipe: tuple[LineReader, int]) -> None:
    keyboard, _ = pipe
    found: list[str | None] = []
    reader = threading.Thread(target=lambda: found.append(keyboard.line()))
    reader.start()
    keyboard.close()
    reader.join(5.0)
    assert found == [None]
    keyboard.close()


def test_without_standard_input_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def fileno(self) -> int:
            raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(sys, "__stdin__", Closed())
    with answers() as read:
        assert read() is None
