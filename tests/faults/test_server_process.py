"""The server as a command: output, exit codes, options."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from overbooked.toxiproxy.server.__main__ import main

PATIENCE_S = 10.0


@contextlib.contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the command; yields it and its output until it was ready."""
    child = subprocess.Popen(
        [sys.executable, "-m", "overbooked.toxiproxy.server", "--host", "127.0.0.1", *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stderr is not None
        lines = []
        for line in child.stderr:
            lines.append(line.rstrip("\n"))
            if line.startswith("listening on "):
                break
        yield child, lines
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_in_order(number: signal.Signals) -> None:
    with started("--port", "0", "--seed", "4711") as (child, lines):
        assert lines[0] == "seed 4711"
        address = lines[-1].removeprefix("listening on ")
        assert httpx.get(f"http://{address}/version", trust_env=False).json() == {"version": "2.12.0"}
        child.send_signal(number)
        assert child.wait(PATIENCE_S) == 0


def test_it_creates_the_proxies_of_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    config.write_text(json.dumps([{"name": "p", "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0"}]))
    with started("-port", "0", "-config", str(config)) as (_, lines):
        address = lines[-1].removeprefix("listening on ")
        assert set(httpx.get(f"http://{address}/proxies", trust_env=False).json()) == {"p"}


def test_a_bad_configuration_is_said_and_survived(tmp_path: Path) -> None:
    with started("--port", "0", "--config", str(tmp_path / "none.json")) as (_, lines):
        assert "cannot populate from" in lines[0]


def test_an_occupied_port_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--host", "127.0.0.1", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert said.count("\n") == 1


def test_its_version_is_the_originals(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == "toxiproxy-server version 2.12.0\n"


def test_it_tells_of_itself_when_asked_to() -> None:
    with started("--port", "0", "--runtime-metrics") as (_, lines):
        address = lines[-1].removeprefix("listening on ")
        told = httpx.get(f"http://{address}/metrics", trust_env=False)
        assert told.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "\nprocess_max_resident_memory_bytes " in told.text
