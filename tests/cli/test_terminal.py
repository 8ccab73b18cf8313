"""A closed output pipe affects neither the exit code nor the work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from overbooked.cli.terminal import pipe_safe

CALL = "import sys; from overbooked.cli.entry import main; main(sys.argv[1:])"


@pytest.fixture
def unread() -> Iterator[TextIO]:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        yield stream


def test_what_nobody_reads_goes_nowhere(unread: TextIO) -> None:
    stream = pipe_safe(unread)
    for _ in range(3):
        assert stream.write("a line\n") == 7
        stream.flush()
    stream.write("x" * 1_000_000)  # larger than any buffer
    assert not stream.closed


def test_what_is_read_arrives() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream, os.fdopen(reading, encoding="utf-8") as reader:
        pipe_safe(stream).write("a line\n")
        pipe_safe(stream).flush()
        assert reader.readline() == "a line\n"
        assert pipe_safe(stream).encoding == "utf-8"


@pytest.mark.parametrize(
    ("arguments", "code"), [(["list"], 0), (["list", "--json"], 0), (["run", "NO-SUCH-GAP"], 2)]
)
@pytest.mark.parametrize("lost", ["stdout", "stderr", "both"])
def test_a_command_nobody_listens_to_ends_with_its_own_exit_code(
    arguments: list[str], code: int, lost: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        streams = {
            name: writing if lost in (name, "both") else subprocess.DEVNULL for name in ("stdout", "stderr")
        }
        done = subprocess.run([sys.executable, "-c", CALL, *arguments], check=False, **streams)
    finally:
        os.close(writing)
    assert done.returncode == code
