"""Redis in a stack: queries, flush, and distinct failures."""

from __future__ import annotations

import pytest

from overbooked.errors import StackError
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.servers.redis_server import flush, redis_command, redis_probe


async def test_its_password_is_wanted_and_on_no_command_line(stack: EmbeddedStack) -> None:
    address, password = stack._servers["redis"], stack._redis_password
    assert await redis_command(address, password, "PING") == "+PONG"
    assert (await redis_command(address, "", "PING")).startswith("-NOAUTH")
    assert not any(password in word for word in stack.processes["redis"].command)


async def test_a_refusal_is_told(stack: EmbeddedStack) -> None:
    with pytest.raises(StackError, match="Redis refused to be emptied: -WRONGPASS"):
        await flush(stack._servers["redis"], "wrong")
    assert "-WRONGPASS" in await redis_probe(stack._servers["redis"], "wrong")()


async def test_nobody_at_the_address_is_told() -> None:
    leases = PortLeases()
    address = ("127.0.0.1", leases.take("redis"))
    with pytest.raises(StackError, match="Redis cannot be emptied"):
        await flush(address, "")
    assert "no connection" in await redis_probe(address, "")()
    leases.release()
