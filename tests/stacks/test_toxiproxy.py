"""A stack's Toxiproxy: its process, its command, and how a failed call is reported."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from overbooked.errors import StackError
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.servers.toxiproxy_server import at_toxiproxy, server_command, toxiproxy_process
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.toxiproxy.toxics import Latency


@pytest.fixture(scope="module")
async def client(ground: Path) -> AsyncIterator[ToxiproxyClient]:
    leases = PortLeases()
    (ground / "toxiproxy").mkdir()
    ownership = Ownership.found(ground / "toxiproxy")
    port = leases.take("toxiproxy")
    process = toxiproxy_process(StackSettings(toxiproxy="ours"), ownership, ("127.0.0.1", port))
    await process.start()
    yield ToxiproxyClient(f"http://127.0.0.1:{port}")
    process.kill()
    leases.release()


async def test_the_process_answers_with_its_version(client: ToxiproxyClient) -> None:
    assert (await at_toxiproxy(client.version)).startswith("2.")


async def test_a_proxy_listens_where_it_says_until_it_is_deleted(client: ToxiproxyClient) -> None:
    made = await at_toxiproxy(partial(client.create, "one", "127.0.0.1:9"))
    assert client.proxies()["one"].listen == made.listen
    await at_toxiproxy(partial(client.delete, "one"))
    assert "one" not in client.proxies()


async def test_a_reset_enables_and_clears_every_proxy(client: ToxiproxyClient) -> None:
    client.create("two", "127.0.0.1:9")
    client.add("two", Latency(1))
    client.update("two", enabled=False)
    await at_toxiproxy(client.reset)
    assert (client.proxy("two").enabled, client.proxy("two").toxics) == (True, ())
    client.delete("two")


async def test_a_refusal_is_an_error_of_the_stacks_toxiproxy(client: ToxiproxyClient) -> None:
    client.create("three", "127.0.0.1:9")
    with pytest.raises(StackError, match=r"refused POST /proxies.*exist") as caught:
        await at_toxiproxy(partial(client.create, "three", "127.0.0.1:9"))
    assert caught.value.part == "toxiproxy"
    client.delete("three")


async def test_an_address_without_a_server_is_an_error_of_the_stacks_toxiproxy() -> None:
    leases = PortLeases()
    nobody = ToxiproxyClient(f"http://127.0.0.1:{leases.take('nobody')}")
    with pytest.raises(StackError, match="cannot be reached for POST /reset"):
        await at_toxiproxy(nobody.reset)
    leases.release()


def test_the_real_server_and_ours_are_told_where_to_listen() -> None:
    real = server_command(Path("/bin/toxiproxy-server"), "127.0.0.1", 8474, seed=7)
    assert real == ["/bin/toxiproxy-server", "-host", "127.0.0.1", "-port", "8474"]
    ours = server_command(None, "127.0.0.1", 8474, seed=7)
    assert ours[:4] == [sys.executable, "-P", "-m", "overbooked.toxiproxy.server"]
    assert ours[-2:] == ["--seed", "7"]
    assert "--seed" not in server_command(None, "127.0.0.1", 8474)
