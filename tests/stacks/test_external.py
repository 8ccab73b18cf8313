"""A running system becomes a stack by its URLs, with links only where its owner has set our address."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from overbooked.descriptor import Descriptor
from overbooked.errors import ConfigError, HostNotAllowed, NotSupported, StackError
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.external import ExternalStack
from overbooked.stacks.processes.ports import PortLeases
from tests.stacks.conftest import ROOT, system
from tests.targets.town import Call, Reply, Town


@pytest.fixture
def running() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    leases = PortLeases()
    port = leases.take("app")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.stacks.standin", "127.0.0.1", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env={"PROVIDER_URL": f"http://127.0.0.1:{port}"},
    )
    yield f"http://127.0.0.1:{port}", process
    process.kill()
    process.wait()
    leases.release()


def outside(url: str, **more: object) -> Descriptor:
    return system(external={"urls": {"app": url}, **more})


async def get(url: str) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        return (await client.get(url)).text


async def test_the_way_in_is_counted_and_leads_through_toxiproxy(running, settings: StackSettings) -> None:
    url, process = running
    async with ExternalStack(outside(url), settings) as stack:
        assert stack.urls == {"app": url}
        assert stack.client_url != url
        assert await get(stack.client_url + "/pid") == str(process.pid)
        assert stack.links["client->app"].traffic().messages == 1
        async with httpx.AsyncClient(trust_env=False) as client:
            proxies = (await client.get(stack.toxiproxy_url + "/proxies")).json()
        assert list(proxies) == ["client-to-app"]
        await stack.check()
        await stack.heal()
        assert stack.log_tail("toxiproxy")
        assert stack.log_tail("app") == []
    assert process.poll() is None
    await stack.close()


async def test_a_link_listens_where_the_owner_expects_it(running, settings: StackSettings) -> None:
    url, _ = running
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    links = {"app->payments": {"listen": listen, "upstream": url.removeprefix("http://")}}
    async with ExternalStack(outside(url, links=links), settings) as stack:
        assert await get(f"http://{listen}/health") == "well"
        assert stack.links["app->payments"].traffic().messages == 1
        assert stack.links["client->app"].traffic().messages == 0


async def test_a_dead_toxiproxy_is_noticed_and_healed(running, settings: StackSettings) -> None:
    url, _ = running
    async with ExternalStack(outside(url), settings) as stack:
        assert stack._toxiproxy is not None
        child = stack._toxiproxy._child
        assert child is not None
        child.kill()
        child.wait()
        with pytest.raises(StackError, match="toxiproxy was ended by SIGKILL on its own"):
            await stack.check()
        await stack.heal()
        assert await get(stack.client_url + "/health") == "well"


async def test_a_system_that_stops_answering_is_noticed(running, settings: StackSettings) -> None:
    url, process = running
    async with ExternalStack(outside(url), settings) as stack:
        process.kill()
        process.wait()
        with pytest.raises(StackError, match="app does not answer: no connection"):
            await stack.check()


async def test_a_system_that_does_not_answer_is_refused(settings: StackSettings) -> None:
    hasty = settings.model_copy(update={"health_timeout_s": 3.0})
    with PortLeasesFor() as port, pytest.raises(StackError, match=r"app was not ready within 3 s"):
        await ExternalStack(outside(f"http://127.0.0.1:{port}"), hasty).start()


class PortLeasesFor:
    """A leased port without a listener."""

    def __enter__(self) -> int:
        self._leases = PortLeases()
        return self._leases.take("nobody")

    def __exit__(self, *_: object) -> None:
        self._leases.release()


@pytest.mark.parametrize(
    ("external", "purpose"),
    [
        ({"urls": {"app": "http://192.0.2.1:80"}}, "a run against app"),
        ({"urls": {"app": "https://192.0.2.1"}}, "a run against app"),
        (
            {"urls": {"app": "http://127.0.0.1:1"}, "links": {"app->redis": {"upstream": "192.0.2.1:6379"}}},
            "the link app->redis",
        ),
        (
            {
                "urls": {"app": "http://127.0.0.1:1"},
                "links": {"app->redis": {"listen": "192.0.2.1:1", "upstream": "127.0.0.1:6379"}},
            },
            "listening for the link app->redis",
        ),
    ],
)
async def test_hosts_that_are_not_allowed_are_refused_before_anything_is_sent(
    settings: StackSettings, external: dict[str, object], purpose: str
) -> None:
    with pytest.raises(HostNotAllowed, match=purpose):
        await ExternalStack(system(external=external), settings).start()


async def test_a_running_system_serves_no_mutants(running, settings: StackSettings) -> None:
    url, _ = running
    with pytest.raises(ConfigError, match="cannot serve the mutant"):
        ExternalStack(outside(url), settings, mutant="SYS-03.1")
    async with ExternalStack(outside(url), settings) as stack:
        await stack.renew(mutant=None)
        with pytest.raises(NotSupported):
            await stack.renew(mutant="SYS-03.1")


def test_without_urls_the_two_places_for_them_are_named(settings: StackSettings) -> None:
    with pytest.raises(ConfigError, match=r"\[external\] urls in the descriptor .* or \[stack.external\]"):
        ExternalStack(system(), settings)


def test_settings_go_before_the_descriptor(settings: StackSettings) -> None:
    told = StackSettings.model_validate(
        {"external": {"urls": {"app": "http://127.0.0.1:2/", "app-2": "http://127.0.0.1:3"}}}
    )
    stack = ExternalStack(outside("http://127.0.0.1:1"), told)
    assert stack.client_url == "http://127.0.0.1:2"
    assert list(stack.replicas) == ["app", "app-2"]


async def test_an_address_that_is_no_url_is_refused(settings: StackSettings) -> None:
    with pytest.raises(ConfigError, match=r"'127\.0\.0\.1:80' is not an http or https URL"):
        await ExternalStack(outside("127.0.0.1:80"), settings).start()


async def test_an_occupied_listening_address_leaves_nothing(running, settings: StackSettings) -> None:
    url, _ = running
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        links = {"app->redis": {"listen": f"127.0.0.1:{other.getsockname()[1]}", "upstream": "127.0.0.1:1"}}
        assert settings.state_dir
        before = set((settings.state_dir / "stacks").glob("*"))
        with pytest.raises(StackError, match=r"relay of app->redis cannot listen"):
            await ExternalStack(outside(url, links=links), settings).start()
        assert set((settings.state_dir / "stacks").glob("*")) == before


async def test_a_system_of_which_nothing_says_the_health_path_is_well_when_it_answers(
    settings: StackSettings,
) -> None:
    async def missing(_: Call) -> Reply:
        return 404, {"type": "not here"}

    async def broken(_: Call) -> Reply:
        return 503, {"type": "down"}

    hasty = settings.model_copy(update={"health_timeout_s": 3.0})
    async with Town() as town:
        described = outside(town.url).model_copy(update={"services": ()})
        town.reply = missing
        async with ExternalStack(described, hasty):
            pass
        town.reply = broken
        with pytest.raises(StackError, match=r"GET / answered HTTP/1\.1 503"):
            await ExternalStack(described, hasty).start()
        town.reply = missing
        said = outside(town.url, health="/up").model_copy(update={"services": ()})
        with pytest.raises(StackError, match=r"GET /up answered HTTP/1\.1 404"):
            await ExternalStack(said, hasty).start()
