"""The embedded stack: start, links, faults, healing, renewal, end."""

from __future__ import annotations

import os
import socket

import asyncpg
import httpx
import psutil
import pytest

from overbooked.cli.commands.up import addresses
from overbooked.errors import PartDied, StackError, SystemDied
from overbooked.stacks.base.health import http_probe
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from tests.stacks.conftest import folders, preloading, service, system


async def get(url: str) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        response = await client.get(url)
    assert response.status_code == 200, response.text
    return response.text


def listening(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


# -- what a stack offers ------------------------------------------------------------------------


async def test_every_part_is_up_and_named(stack: EmbeddedStack) -> None:
    assert list(stack.processes) == ["app", "app-2", "payments", "postgres", "redis"]
    assert all(process.alive() for process in stack.processes.values())
    assert list(stack.replicas) == ["app", "app-2"]
    assert {"PostgreSQL", "Redis", "Python", "Toxiproxy"} <= set(stack.versions)


async def test_every_link_carries_its_traffic_and_counts_it(stack: EmbeddedStack) -> None:
    roads = {
        "client->app": stack.client_url + "/health",
        "client->app-2": "http://{}:{}/health".format(*stack.links["client->app-2"].address),
        "app->postgres": stack.urls["app"] + "/database",
        "app->redis": stack.urls["app-2"] + "/redis",
        "app->payments": stack.urls["app"] + "/payments",
        "payments->app": stack.urls["payments"] + "/app",
    }
    assert set(stack.links) == set(roads)
    for name, url in roads.items():
        before = stack.links[name].traffic()
        await get(url)
        crossed = stack.links[name].traffic().since(before)
        assert crossed.messages > 0, name
        assert crossed.bytes_down > 0, name


async def test_each_replica_has_a_link_of_its_own(stack: EmbeddedStack) -> None:
    first = await get(stack.client_url + "/pid")
    second = await get("http://{}:{}/pid".format(*stack.links["client->app-2"].address))
    assert int(first) == stack.processes["app"].pid
    assert int(second) == stack.processes["app-2"].pid


async def test_dsns_let_each_role_in_with_its_rights(stack: EmbeddedStack) -> None:
    for role, user in {
        "owner": "booking_owner",
        "app": "booking_app",
        "observer": "booking_observer",
    }.items():
        connection = await asyncpg.connect(stack.dsns[role])
        assert await connection.fetchval("SELECT current_user") == user
        await connection.fetchval("SELECT count(*) FROM visits")
        await connection.close()
    observer = await asyncpg.connect(stack.dsns["observer"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await observer.execute("INSERT INTO visits DEFAULT VALUES")
    await observer.close()


async def test_a_wrong_password_is_refused(stack: EmbeddedStack) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stack.dsns["observer"].replace("observer:", "observer:no"))


async def test_only_fsync_is_relaxed(stack: EmbeddedStack) -> None:
    connection = await asyncpg.connect(stack.dsns["observer"])
    shown = {
        name: await connection.fetchval(f"SHOW {name}")
        for name in ("fsync", "synchronous_commit", "full_page_writes", "deadlock_timeout", "max_connections")
    }
    await connection.close()
    assert shown == {
        "fsync": "off",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "deadlock_timeout": "1s",
        "max_connections": "200",
    }


async def test_postgres_never_runs_as_root_and_nothing_listens_beyond_loopback(stack: EmbeddedStack) -> None:
    postgres = psutil.Process(stack.processes["postgres"].pid)
    assert postgres.uids().real != 0
    for process in stack.processes.values():
        for connection in psutil.Process(process.pid).net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip == "127.0.0.1", process.name


async def test_a_service_that_answers_badly_is_quoted(stack: EmbeddedStack) -> None:
    address = stack._servers["app"]
    assert await http_probe(*address, "/health")() == ""
    said = await http_probe(*address, "/nowhere")()
    assert said.startswith("GET /nowhere answered HTTP/1.0 500")


async def test_the_card_names_ways_in(stack: EmbeddedStack) -> None:
    rows = dict(addresses(stack))
    assert rows["client->app"] == stack.client_url
    assert rows["database as observer"] == stack.dsns["observer"]
    assert rows["Toxiproxy"] == stack.toxiproxy_url
    assert "app-to-postgres" in rows["link app->postgres"]


# -- faults on processes ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["app", "app-2", "payments", "postgres", "redis"])
async def test_a_killed_part_comes_back_at_the_same_address(stack: EmbeddedStack, name: str) -> None:
    process = stack.processes[name]
    address = stack._servers[name]
    before = process.pid
    process.kill()
    assert not process.alive()
    assert process.pid is None
    assert not listening(address)
    await stack.check()  # killed by the harness
    await process.start()
    assert process.pid != before
    assert listening(address)
    await stack.check()


async def test_committed_rows_survive_a_killed_postgres(stack: EmbeddedStack) -> None:
    connection = await asyncpg.connect(stack.dsns["owner"])
    before = await connection.fetchval("SELECT count(*) FROM visits")
    for _ in range(50):
        await connection.execute("INSERT INTO visits DEFAULT VALUES")
    stack.processes["postgres"].kill()
    await stack.processes["postgres"].start()
    connection = await asyncpg.connect(stack.dsns["owner"])
    assert await connection.fetchval("SELECT count(*) FROM visits") == before + 50
    await connection.close()


async def test_a_paused_part_stands_still_until_it_is_resumed(stack: EmbeddedStack) -> None:
    process = stack.processes["app"]
    process.pause()
    assert process.alive()
    async with httpx.AsyncClient(trust_env=False, timeout=0.3) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(stack.urls["app"] + "/health")
    process.resume()
    await get(stack.urls["app"] + "/health")


async def test_a_paused_postgres_stands_still_with_its_backends(stack: EmbeddedStack) -> None:
    connection = await asyncpg.connect(stack.dsns["observer"])
    stack.processes["postgres"].pause()
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.3)
    stack.processes["postgres"].resume()
    connection.terminate()
    connection = await asyncpg.connect(stack.dsns["observer"])
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_heal_restarts_what_is_dead_and_resumes_what_is_paused(stack: EmbeddedStack) -> None:
    stack.processes["postgres"].kill()
    stack.processes["app"].kill()
    stack.processes["redis"].pause()
    await stack.heal()
    assert all(process.alive() for process in stack.processes.values())
    await get(stack.client_url + "/database")
    await get(stack.client_url + "/redis")


async def test_a_service_that_ends_on_its_own_is_an_open_gap(stack: EmbeddedStack) -> None:
    with pytest.raises(httpx.HTTPError):
        await get(stack.urls["app-2"] + "/die")
    with pytest.raises(SystemDied, match="app-2 ended with exit code 3"):
        await stack.check()
    await stack.heal()
    await stack.check()


async def test_a_provider_that_ends_on_its_own_is_our_failure(stack: EmbeddedStack) -> None:
    with pytest.raises(httpx.HTTPError):
        await get(stack.urls["payments"] + "/die")
    with pytest.raises(StackError, match="payments ended with exit code 3"):
        await stack.check()
    await stack.heal()


async def test_a_fork_server_that_dies_is_named_and_healing_brings_all_back(settings: StackSettings) -> None:
    async with EmbeddedStack(system(service=preloading()), settings) as stack:
        parent = psutil.Process(stack.processes["app"].pid).parent()
        assert parent is not None
        assert "forkserver.py" in " ".join(parent.cmdline())
        parent.kill()
        psutil.wait_procs([psutil.Process(pid) for pid in [stack.processes["app"].pid] if pid], timeout=30)
        with pytest.raises(PartDied, match="forkserver was ended by SIGKILL"):
            await stack.check()
        await stack.heal()
        await stack.check()
        assert await get(stack.client_url + "/health") == "well"


async def test_without_preloading_nothing_is_forked(settings: StackSettings) -> None:
    plain = settings.model_copy(update={"preload": False})
    async with EmbeddedStack(system(service=preloading()), plain) as stack:
        parent = psutil.Process(stack.processes["app"].pid).parent()
        assert parent is not None
        assert parent.pid == os.getpid()


async def test_a_module_that_cannot_be_preloaded_is_named(settings: StackSettings) -> None:
    descriptor = system(service=service(app={"preload": ["no_such_module"]}), database=None, redis=None)
    with pytest.raises(StackError, match=r"(?s)forkserver.*cannot preload no_such_module"):
        await EmbeddedStack(descriptor, settings).start()


async def test_memory_and_logs_of_parts_are_at_hand(stack: EmbeddedStack) -> None:
    await get(stack.client_url + "/health")
    assert stack.processes["postgres"].memory_bytes() > stack.processes["redis"].memory_bytes() > 100_000
    assert stack.log_tail("app")[-1] == "served /health"
    assert stack.log_tail("app", lines=1) == ["served /health"]
    assert stack.log_tail("nobody") == []


# -- renewal ------------------------------------------------------------------------------------


async def test_renewal_leaves_nothing_of_before_and_keeps_the_links(stack: EmbeddedStack) -> None:
    addresses = {name: link.address for name, link in stack.links.items()}
    provider = stack.processes["payments"].pid
    for page in ("/database", "/redis", "/database", "/redis"):
        await get(stack.client_url + page)
    await stack.renew(mutant=None)
    assert await get(stack.client_url + "/database") == "1"
    assert await get(stack.client_url + "/redis") == "1"
    assert stack.processes["payments"].pid != provider
    assert {name: link.address for name, link in stack.links.items()} == addresses
    await stack.check()


async def test_a_mutant_is_prepared_and_served_by_every_replica(stack: EmbeddedStack) -> None:
    await stack.renew(mutant="SYS-03.1")
    try:
        assert stack.mutant == "SYS-03.1"
        assert await get(stack.urls["app"] + "/mutant") == "SYS-03.1"
        assert await get(stack.urls["app-2"] + "/mutant") == "SYS-03.1"
        assert await get(stack.client_url + "/database") == "2"  # one row is the mutant's
    finally:
        await stack.renew(mutant=None)
    assert await get(stack.urls["app"] + "/mutant") == "healthy"


async def test_renewal_mends_what_was_broken(stack: EmbeddedStack) -> None:
    stack.processes["postgres"].kill()
    stack.processes["redis"].kill()
    await stack.renew(mutant=None)
    assert await get(stack.client_url + "/database") == "1"
    assert await get(stack.client_url + "/redis") == "1"


# -- an end without leftovers -------------------------------------------------------------------


async def test_closing_leaves_nothing_and_may_be_repeated(settings: StackSettings) -> None:
    before = folders(settings)
    plain = system(service=service(), redis=None, database=None)
    running = EmbeddedStack(plain, settings)
    await running.start()
    pids = [process.pid for process in running.processes.values()]
    assert folders(settings) != before
    await running.close()
    await running.close()
    assert folders(settings) == before
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)


async def test_a_system_without_database_redis_and_provider_has_one_link(settings: StackSettings) -> None:
    plain = system(service=service(), redis=None, database=None)
    async with EmbeddedStack(plain, settings) as running:
        assert list(running.links) == ["client->app"]
        assert list(running.processes) == ["app"]
        await running.renew(mutant=None)
        await get(running.client_url + "/health")


async def test_replicas_are_as_many_as_the_setting_says(settings: StackSettings) -> None:
    plain = system(redis=None, database=None, service=service(app={"replicas": 2}))
    one = settings.model_copy(update={"replicas": 1})
    assert list(EmbeddedStack(plain, settings).replicas) == ["app", "app-2"]
    assert list(EmbeddedStack(plain, one).replicas) == ["app"]


async def test_migrations_without_a_key_run_at_every_start(settings: StackSettings) -> None:
    database = {
        "migrate": ["{python}", "tests/stacks/migrate.py"],
        "migrate_env": {"OWNER_URL": "{owner_url}"},
    }
    app = {"env": {"DATABASE_URL": "{database_url}"}}
    async with EmbeddedStack(
        system(database=database, redis=None, service=service(app=app)), settings
    ) as running:
        assert await get(running.client_url + "/database") == "1"
