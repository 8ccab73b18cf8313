"""The few calls a stack makes at its Toxiproxy, and how they fail."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from overbooked.errors import StackError
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.servers.toxiproxy_server import ToxiproxyApi, server_command, toxiproxy_process


@pytest.fixture(scope="module")
async def api(ground: Path) -> AsyncIterator[ToxiproxyApi]:
    leases = PortLeases()
    (ground / "toxiproxy").mkdir()
    ownership = Ownership.found(ground / "toxiproxy")
    port = leases.take("toxiproxy")
    process = toxiproxy_process(StackSettings(toxiproxy="ours"), ownership, ("127.0.0.1", port))
    await process.start()
    yield ToxiproxyApi(f"http://127.0.0.1:{port}")
    process.kill()
    leases.release()


async def proxies(api: ToxiproxyApi) -> dict[str, dict[str, object]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        return dict((await client.get(api.url + "/proxies")).json())


async def test_it_tells_its_version(api: ToxiproxyApi) -> None:
    assert (await api.version()).startswith("2.")


async def test_a_proxy_is_made_where_it_says_and_removed(api: ToxiproxyApi) -> None:
    host, port = await api.create("one", ("127.0.0.1", 9), "127.0.0.1:0")
    assert (await proxies(api))["one"]["listen"] == f"{host}:{port}"
    await api.delete("one")
    assert "one" not in await proxies(api)


async def test_a_reset_enables_and_clears_every_proxy(api: ToxiproxyApi) -> None:
    await api.create("two", ("127.0.0.1", 9), "127.0.0.1:0")
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(api.url + "/proxies/two", json={"enabled": False})
        await client.post(
            api.url + "/proxies/two/toxics", json={"type": "latency", "attributes": {"latency": 1}}
        )
    await api.reset()
    found = (await proxies(api))["two"]
    assert found["enabled"]
    assert found["toxics"] == []
    await api.delete("two")


async def test_a_refusal_is_told_with_its_reason(api: ToxiproxyApi) -> None:
    await api.create("three", ("127.0.0.1", 9), "127.0.0.1:0")
    with pytest.raises(StackError, match=r"Toxiproxy refused POST /proxies \(409\)"):
        await api.create("three", ("127.0.0.1", 9), "127.0.0.1:0")
    await api.delete("three")


async def test_nobody_at_the_address_is_told(api: ToxiproxyApi) -> None:
    leases = PortLeases()
    with pytest.raises(StackError, match="did not answer POST /reset: ConnectError"):
        await ToxiproxyApi(f"http://127.0.0.1:{leases.take('nobody')}").reset()
    leases.release()


@pytest.mark.parametrize("text", ["2.12.0", '{"version": "2.12.0"}'])
async def test_a_version_may_come_plain_or_as_json(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    async def answer(*_: object, **__: object) -> httpx.Response:
        return httpx.Response(200, text=text)

    monkeypatch.setattr(ToxiproxyApi, "_ask", answer)
    assert await ToxiproxyApi("http://x").version() == "2.12.0"


async def test_a_proxy_other_than_was_asked_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(*_: object, **__: object) -> httpx.Response:
        return httpx.Response(201, json={"name": "one", "upstream": "elsewhere:1", "enabled": True})

    monkeypatch.setattr(ToxiproxyApi, "_ask", answer)
    with pytest.raises(StackError, match="made another proxy than was asked"):
        await ToxiproxyApi("http://x").create("one", ("127.0.0.1", 9), "127.0.0.1:0")


def test_the_real_server_and_ours_are_told_where_to_listen() -> None:
    real = server_command(Path("/bin/toxiproxy-server"), "127.0.0.1", 8474, seed=7)
    assert real == ["/bin/toxiproxy-server", "-host", "127.0.0.1", "-port", "8474"]
    ours = server_command(None, "127.0.0.1", 8474, seed=7)
    assert ours[:4] == [sys.executable, "-P", "-m", "overbooked.toxiproxy.server"]
    assert ours[-2:] == ["--seed", "7"]
    assert "--seed" not in server_command(None, "127.0.0.1", 8474)
