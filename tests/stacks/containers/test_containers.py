"""The containers stack behaves like the embedded one: same links, same control, no leftovers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from overbooked.descriptor import Descriptor
from overbooked.errors import StackError, SystemDied, UsageError
from overbooked.stacks.base.settings import Images, StackSettings
from overbooked.stacks.containers.cleanup import _PID as PID
from overbooked.stacks.containers.cleanup import engine, labels, sweep_containers
from overbooked.stacks.containers.container import ContainerProcess
from overbooked.stacks.containers.stack import ContainersStack

pytestmark = pytest.mark.containers

ROOT = Path(__file__).parents[3]
# Toxiproxy, and the four that may be killed, each in a sandbox of its own.
CONTAINERS = 9


async def readiness(stack: ContainersStack) -> int:
    async with httpx.AsyncClient(base_url=stack.client_url, timeout=10) as client:
        return (await client.get("/health/ready")).status_code


def belongings(stack_id: str) -> tuple[int, int]:
    """Return the numbers of (containers, networks) with the label of a stack."""
    mine = {"label": f"org.overbooked.stack={stack_id}"}
    with engine() as client:
        return len(client.containers.list(all=True, filters=mine)), len(client.networks.list(filters=mine))


async def test_every_connection_passes_its_link_and_the_real_toxiproxy(stack: ContainersStack) -> None:
    before = {name: link.traffic() for name, link in stack.links.items()}
    assert await readiness(stack) == 200
    async with httpx.AsyncClient() as client:
        proxies = (await client.get(stack.toxiproxy_url + "/proxies")).json()
        version = (await client.get(stack.toxiproxy_url + "/version")).text
    assert {proxy["name"] for proxy in proxies.values()} == {link.toxiproxy for link in stack.links.values()}
    assert "2.12.0" in version
    for name in ("client->app", "app->postgres", "app->redis"):
        assert stack.links[name].traffic().since(before[name]).messages > 0, name


async def test_versions_and_images_are_told(stack: ContainersStack) -> None:
    assert {"PostgreSQL", "Redis", "Toxiproxy", "image app", "image postgres"} <= set(stack.versions)


@pytest.mark.parametrize("part", ["app", "payments", "postgres", "redis"])
async def test_a_killed_part_is_gone_and_comes_back_at_its_address(stack: ContainersStack, part: str) -> None:
    process = stack.processes[part]
    assert process.alive()
    assert process.memory_bytes() > 0
    process.kill()
    assert not process.alive()
    assert process.how_it_ended() == ""
    assert process.memory_bytes() == 0
    await stack.heal()
    assert process.alive()
    assert await readiness(stack) == 200


async def test_who_calls_at_a_killed_service_is_turned_away_and_not_left_waiting(
    stack: ContainersStack,
) -> None:
    stack.processes["app"].kill()
    try:
        async with httpx.AsyncClient(base_url=stack.client_url, timeout=30) as client:
            with pytest.raises((httpx.RemoteProtocolError, httpx.NetworkError)):
                await client.get("/health/live")
    finally:
        await stack.heal()


async def test_a_service_started_again_stands_where_it_stood(stack: ContainersStack) -> None:
    process = stack.processes["app"]
    async with httpx.AsyncClient(base_url=stack.urls["app"], timeout=30) as client:
        assert (await client.get("/health/ready")).status_code == 200
        process.kill()
        with pytest.raises(httpx.TransportError):
            await client.get("/health/ready")
        await process.start()
        assert (await client.get("/health/ready")).status_code == 200


async def test_a_paused_service_does_not_answer_until_it_is_resumed(stack: ContainersStack) -> None:
    process = stack.processes["app"]
    process.pause()
    assert process.paused
    try:
        async with httpx.AsyncClient(base_url=stack.client_url, timeout=0.5) as client:
            with pytest.raises(httpx.TimeoutException):
                await client.get("/health/live")
    finally:
        await stack.heal()
    assert not process.paused
    assert await readiness(stack) == 200


@pytest.mark.parametrize("reachable", [True, False], ids=["by our signals", "by the engine's freezer"])
async def test_a_paused_service_can_be_killed_and_started_again(
    stack: ContainersStack, monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    process = stack.processes["app"]
    if not reachable:
        monkeypatch.setattr(ContainerProcess, "_signalled", lambda *_: False)
    process.pause()
    process.kill()
    assert not process.alive()
    assert not process.paused
    await stack.heal()
    assert await readiness(stack) == 200


async def test_a_service_that_dies_by_itself_is_the_systems_fault(stack: ContainersStack) -> None:
    pid = stack.processes["app-2"].pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    while stack.processes["app-2"].alive():
        await asyncio.to_thread(os.sched_yield)
    with pytest.raises(SystemDied, match="app-2 ended with exit code 137"):
        await stack.check()
    await stack.heal()
    await stack.check()


async def test_a_redis_that_dies_by_itself_is_ours(stack: ContainersStack) -> None:
    pid = stack.processes["redis"].pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    while stack.processes["redis"].alive():
        await asyncio.to_thread(os.sched_yield)
    with pytest.raises(StackError, match="redis ended"):
        await stack.check()
    await stack.heal()


async def test_renewing_takes_the_mutant_in_and_out_with_a_fresh_database(stack: ContainersStack) -> None:
    assert stack.processes["app"].log_tail(1)
    await stack.renew(mutant="SYS-03.1")
    assert stack.mutant == "SYS-03.1"
    constraint = "SELECT count(*) FROM pg_constraint WHERE conname = 'slots_taken_within_capacity'"
    connection = await asyncpg.connect(stack.dsns["observer"])
    assert await connection.fetchval(constraint) == 0
    await connection.close()
    await stack.renew(mutant=None)
    connection = await asyncpg.connect(stack.dsns["observer"])
    assert await connection.fetchval(constraint) == 1
    await connection.close()
    assert await readiness(stack) == 200


async def test_closing_leaves_no_container_and_no_network(
    described: Descriptor, in_containers: StackSettings
) -> None:
    one_replica = in_containers.model_copy(update={"replicas": 1})
    async with ContainersStack(described, one_replica) as made:
        stack_id = made.id
        containers, networks = belongings(stack_id)
        assert (containers, networks) == (CONTAINERS, 1)
    assert belongings(stack_id) == (0, 0)
    await made.close()


async def test_a_service_that_cannot_start_is_named_with_its_log(
    described: Descriptor, in_containers: StackSettings
) -> None:
    broken = described.app.model_copy(update={"command": ("{python}", "-c", "raise SystemExit('no luck')")})
    services = tuple(broken if s.name == "app" else s for s in described.services)
    stack = ContainersStack(described.model_copy(update={"services": services}), in_containers)
    with pytest.raises(StackError, match="no luck") as raised:
        await stack.start()
    assert raised.value.part.startswith("app")
    assert belongings(stack.id) == (0, 0)


async def test_an_image_that_cannot_be_had_is_told_in_one_line(
    described: Descriptor, in_containers: StackSettings
) -> None:
    images = Images(**{**in_containers.images.model_dump(), "postgres": "localhost:1/no/such:image"})
    stack = ContainersStack(described, in_containers.model_copy(update={"images": images}))
    with pytest.raises(UsageError, match=r"ci/build-images\.sh") as raised:
        await stack.start()
    assert "\n" not in str(raised.value)


async def test_what_a_killed_harness_left_is_swept_and_a_live_ones_is_not(
    stack: ContainersStack, in_containers: StackSettings
) -> None:
    script = """
import asyncio, sys, tomllib
from pathlib import Path
from overbooked.stacks.containers.stack import ContainersStack
from overbooked.stacks.base.settings import StackSettings
from overbooked.descriptor import load
table = tomllib.loads(Path("ci/images.toml").read_text())["stack"]
async def main():
    stack = ContainersStack(load(Path("reference_system/target/system.toml")),
                            StackSettings(kind="containers", replicas=1, **table))
    await stack.start()
    print(stack.id, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    harness = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert harness.stdout
        stack_id = (await asyncio.to_thread(harness.stdout.readline)).strip()
        assert belongings(stack_id)[0] == CONTAINERS
    finally:
        harness.kill()
        harness.wait()
    await asyncio.to_thread(sweep_containers)  # another harness of this machine may sweep it too
    assert belongings(stack_id) == (0, 0)
    assert belongings(stack.id)[0] > 0
    assert await readiness(stack) == 200


async def test_several_harnesses_sweep_the_same_leftovers_at_once(in_containers: StackSettings) -> None:
    stack_id = uuid4().hex[:8]
    owner = labels(stack_id) | {PID: str(2**22 + 1)}  # above the largest process id
    with engine() as client:
        client.networks.create(f"overbooked-{stack_id}", labels=owner)
        for _ in range(4):
            client.containers.run(
                in_containers.images.redis, detach=True, labels=owner, network=f"overbooked-{stack_id}"
            )
    assert belongings(stack_id) == (4, 1)
    await asyncio.gather(*(asyncio.to_thread(sweep_containers) for _ in range(6)))
    assert belongings(stack_id) == (0, 0)


def test_no_engine_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(UsageError, match="needs a Docker engine") as raised, engine():
        pass
    assert "\n" not in str(raised.value)
