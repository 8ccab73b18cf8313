"""Readers of the recorded histories in `data`; the line number is the timestamp."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from overbooked.histories import History, Recorder

DATA = Path(__file__).parent / "data"

_ETCD = re.compile(r"INFO  jepsen\.util - (\d+)\t:(\w+)\t:(\w+)\t(.+)")
_KEY_VALUE = re.compile(r'\{:process (\d+), :type :(\w+), :f :(\w+), :key "(.*)", :value (?:nil|"(.*)")\}')


def _number(text: str) -> int | None:
    return None if text == "nil" else int(text)


def etcd(path: Path) -> History:
    """A register recorded against etcd by Jepsen; `:info` is unknown."""
    moment, recorder = _lines_as_clock()
    calls: dict[str, tuple[str, Any]] = {}
    for line in moment(path):
        match = _ETCD.match(line)
        if match is None:
            continue
        process, kind, verb, value = match.groups()
        if kind == "invoke":
            args: dict[str, Any] = {}
            if verb == "write":
                args = {"value": int(value)}
            elif verb == "cas":
                old, new = re.findall(r"\d+", value)
                args = {"old": int(old), "new": int(new)}
            calls[process] = (verb, recorder.invoke(process, verb, args))
            continue
        verb, call = calls.pop(process)
        if kind == "ok":
            call.ok(_number(value) if verb == "read" else None)
        elif kind == "fail":
            call.refused(value)
        else:
            call.unknown(value)
    return recorder.history()


def key_value(path: Path) -> History:
    """A key-value store with ten clients, every operation completed."""
    moment, recorder = _lines_as_clock()
    calls: dict[str, Any] = {}
    for line in moment(path):
        match = _KEY_VALUE.match(line)
        assert match, line
        process, kind, verb, key, value = match.groups()
        if kind == "invoke":
            args = {"key": key} if verb == "get" else {"key": key, "value": value}
            calls[process] = recorder.invoke(process, verb, args)
        else:
            calls.pop(process).ok(value if verb == "get" else None)
    return recorder.history()


def _lines_as_clock() -> tuple[Any, Recorder]:
    line_number = 0

    def lines(path: Path) -> Iterator[str]:
        nonlocal line_number
        for line_number, line in enumerate(path.read_text().splitlines()):  # noqa: B007
            yield line

    return lines, Recorder(lambda: float(line_number))
