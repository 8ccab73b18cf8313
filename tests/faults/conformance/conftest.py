"""Runs the same tests against our server on both event loops and against the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faults.conformance.api import Api
from tests.faults.realserver import real_server
from tests.faults.servers import ours, real
from tests.faults.upstreams import Upstream, echo, sink, upstream

_KINDS = [
    pytest.param("ours", id="ours"),
    pytest.param("ours on asyncio's loop", id="ours-asyncio"),
    pytest.param("real", id="real", marks=pytest.mark.toxiproxy),
]


@pytest.fixture(scope="session", params=_KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Api]:
    with ExitStack() as stack:
        if request.param == "real":
            url = stack.enter_context(real(real_server()))
        elif request.param == "ours":
            url = stack.enter_context(ours())
        else:
            url = stack.enter_context(ours(asyncio.new_event_loop))
        api = Api(url, "real" if request.param == "real" else "ours")
        stack.callback(api.close)
        yield api


@pytest.fixture
def api(server: Api) -> Iterator[Api]:
    """A server without proxies."""
    yield server
    server.clear()


@pytest.fixture
def echoing() -> Iterator[Upstream]:
    with upstream(echo) as made:
        yield made


@pytest.fixture
def sinking() -> Iterator[Upstream]:
    with upstream(sink) as made:
        yield made


@pytest.fixture
def proxied(api: Api, echoing: Upstream) -> str:
    """The address of the proxy `p` in front of an echo server."""
    return api.proxy(echoing.address)
