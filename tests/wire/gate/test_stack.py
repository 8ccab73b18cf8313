"""The gate in a running stack: relay, session, Toxiproxy, PostgreSQL."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest

from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.link import RelayLink
from tests.stacks.conftest import ground, settings, stack
from tests.wire.watching_keeper import DEADLINE_S, engage, failing, keep

__all__ = ["ground", "settings", "stack"]


def through(stack: EmbeddedStack, link: RelayLink) -> str:
    """The service's database URL, as the service has it."""
    parts = urlsplit(stack.dsns["app"])
    host, port = link.address
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{host}:{port}").geturl()


async def test_a_stacks_links_speak_what_their_servers_speak(stack: EmbeddedStack) -> None:
    spoken = {name: link.protocol for name, link in stack.links.items() if isinstance(link, RelayLink)}
    assert spoken["app->postgres"] is WireProtocol.POSTGRES
    assert spoken["app->redis"] is WireProtocol.REDIS
    assert spoken["client->app"] is spoken["app->payments"] is spoken["payments->app"] is WireProtocol.HTTP


async def test_statements_of_a_stack_are_observed_held_and_failed(stack: EmbeddedStack) -> None:
    link = stack.links["app->postgres"]
    assert isinstance(link, RelayLink)
    connection = await asyncpg.connect(through(stack, link), ssl=False)
    try:
        assert await connection.fetchval("SELECT $1::int", 1) == 1  # observed
        keeper = engage(link, on_ask=keep)
        asking = asyncio.ensure_future(connection.fetchval("SELECT $1::int", 2))
        held = await keeper.held("SELECT $1::int")
        assert held.boundary.link == "app->postgres"
        link.call(held.go)
        assert await asyncio.wait_for(asking, DEADLINE_S) == 2
        engage(link, on_ask=failing("SELECT", code="40001"))
        with pytest.raises(asyncpg.SerializationError):
            await connection.fetchval("SELECT $1::int", 3)
        assert await connection.fetchval("SELECT $1::int", 4) == 4
    finally:
        link.gate(None)
        await connection.close()


async def test_all_links_of_a_stack_share_the_relays_thread(stack: EmbeddedStack) -> None:
    links = [link for link in stack.links.values() if isinstance(link, RelayLink)]
    assert len({id(link.loop) for link in links}) == 1
