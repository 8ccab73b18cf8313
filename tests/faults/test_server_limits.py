"""A server without a free file descriptor ends; it drops no client silently."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx

from overbooked.toxiproxy.server.limits import LIMIT_REACHED

PATIENCE_S = 10.0
DESCRIPTORS = 64


@contextlib.contextmanager
def limited_server() -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """A server that may open 64 files, and the address of its API."""
    server = f"{sys.executable} -m overbooked.toxiproxy.server --host 127.0.0.1 --port 0"
    child = subprocess.Popen(
        ["bash", "-c", f"ulimit -n {DESCRIPTORS}; exec {server}"], stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    try:
        for line in child.stderr:
            if line.startswith("listening on "):
                host, _, port = line.removeprefix("listening on ").strip().rpartition(":")
                yield child, (host, int(port))
                break
    finally:
        child.kill()
        child.communicate()


@contextlib.contextmanager
def connections(address: tuple[str, int], count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(socket.create_connection(address, PATIENCE_S)) for _ in range(count)]


def ended_with(child: subprocess.Popen[str]) -> tuple[int, str]:
    assert child.stderr is not None
    return child.wait(PATIENCE_S), child.stderr.read()


def test_a_client_of_the_api_beyond_the_limit_ends_the_server() -> None:
    with limited_server() as (child, address), connections(address, DESCRIPTORS):
        code, said = ended_with(child)
    assert code == LIMIT_REACHED
    assert "toxiproxy: this process has no file descriptor left" in said


def test_a_client_of_a_proxy_beyond_the_limit_ends_the_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as upstream, limited_server() as (child, address):
        host, port = address
        wanted = {
            "name": "p",
            "listen": "127.0.0.1:0",
            "upstream": f"127.0.0.1:{upstream.getsockname()[1]}",
        }
        with httpx.Client(trust_env=False) as client:
            made = client.post(f"http://{host}:{port}/proxies", json=wanted).json()
        proxied = ("127.0.0.1", int(made["listen"].rpartition(":")[2]))
        with connections(proxied, DESCRIPTORS):
            code, said = ended_with(child)
    assert code == LIMIT_REACHED
    assert "no file descriptor left" in said
