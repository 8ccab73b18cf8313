"""Calls of the reference adapter that bypass the links: results and error messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from overbooked.targets.errors import TargetError
from reference_system.target.http_client import HttpClient, RefusedError


@pytest.fixture
async def direct() -> AsyncIterator[HttpClient]:
    async def answers(request: web.Request) -> web.Response:
        status, text = int(request.query["status"]), request.query["text"]
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_route("*", "/answers", answers)
    server = TestServer(app)
    await server.start_server()
    direct = HttpClient("app", str(server.make_url("")))
    yield direct
    await direct.close()
    await server.close()


@pytest.mark.parametrize(("text", "wanted"), [('{"a": [1]}', {"a": [1]}), ("", None)])
async def test_a_success_is_its_json(direct: HttpClient, text: str, wanted: object) -> None:
    assert await direct.call("POST", "/answers", query={"status": "200", "text": text}) == wanted


async def test_a_refusal_is_quoted_and_keeps_its_status(direct: HttpClient) -> None:
    with pytest.raises(RefusedError, match="app answered GET /answers with 409: sold out") as caught:
        await direct.call("GET", "/answers", query={"status": "409", "text": "sold out"})
    assert caught.value.status == 409


async def test_a_success_that_is_no_json_is_a_failure_that_says_so(direct: HttpClient) -> None:
    with pytest.raises(TargetError, match="app answered GET /answers with invalid JSON"):
        await direct.call("GET", "/answers", query={"status": "200", "text": "<html>"})


async def test_a_port_nobody_listens_at_is_named() -> None:
    direct = HttpClient("app", "http://127.0.0.1:1")
    with pytest.raises(TargetError, match="app did not answer GET /health"):
        await direct.call("GET", "/health")
    await direct.close()
