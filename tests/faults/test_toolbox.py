"""The faults of a scenario: active in the block, healed after it, with a correct receipt."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from overbooked.errors import FaultError, GapFound, HostNotAllowed
from overbooked.faults.base import Fault
from overbooked.faults.faults import Faults
from overbooked.faults.link_faults import OnLink
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.toxiproxy.toxics import Stream
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.faults.fakestack import IDLE, LINK, FakeStack, Talker
from tests.faults.receipts import receipt_of, toxics_on

ON_LINKS: dict[str, Callable[[Faults, str], Fault]] = {
    "latency": lambda faults, link: faults.latency(link, ms=80),
    "latency upstream": lambda faults, link: faults.latency(link, ms=80, stream=Stream.UPSTREAM),
    "bandwidth": lambda faults, link: faults.bandwidth(link, kb_per_s=100),
    "timeout": lambda faults, link: faults.timeout(link),
    "reset_peer": lambda faults, link: faults.reset_peer(link),
    "slicer": lambda faults, link: faults.slicer(link, size_bytes=2),
    "limit_data": lambda faults, link: faults.limit_data(link, limit_bytes=3),
    "slow_close": lambda faults, link: faults.slow_close(link, delay_ms=50),
    "down": lambda faults, link: faults.down(link),
    "kill at a message": lambda faults, link: faults.at_message(link, 1, kill="app"),
    "pause at a message": lambda faults, link: faults.at_message(link, 1, pause="app"),
    "cut at a message": lambda faults, link: faults.at_message(link, 1, cut=True),
    "stall at a message": lambda faults, link: faults.at_message(link, 1, stall="downstream"),
}


# -- every fault -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ON_LINKS)
async def test_on_a_link_that_nothing_crosses_the_verdict_is_inconclusive(
    stack: FakeStack, faults: Faults, judge: Judge, kind: str
) -> None:
    judge.count("rounds")
    async with ON_LINKS[kind](faults, IDLE) as fault:
        pass
    assert not receipt_of(fault).bit
    [result] = judge.conclude(None)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == f"did not bite: {fault.what} on {IDLE}"
    assert await toxics_on(stack, IDLE) == 0


@pytest.mark.parametrize("kind", ON_LINKS)
async def test_traffic_on_another_link_does_not_count(talker: Talker, faults: Faults, kind: str) -> None:
    async with ON_LINKS[kind](faults, IDLE) as fault:
        await talker.ask()
    assert not receipt_of(fault).bit


@pytest.mark.parametrize("kind", ON_LINKS)
async def test_after_the_block_the_link_is_as_before(
    stack: FakeStack, talker: Talker, faults: Faults, kind: str
) -> None:
    fault = ON_LINKS[kind](faults, LINK)
    with contextlib.suppress(ZeroDivisionError, ConnectionError):
        async with fault:
            await talker.say()
            raise ZeroDivisionError
    assert receipt_of(fault) is not None
    assert await toxics_on(stack) == 0
    assert stack.processes["app"].alive()
    async with Talker(stack.links[LINK]) as again:
        await again.ask()


# -- disallowed targets ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ON_LINKS)
async def test_a_link_the_stack_does_not_have_is_refused(faults: Faults, kind: str) -> None:
    with pytest.raises(FaultError, match="no link 'app->mars'; the stack has app->redis, client->app"):
        ON_LINKS[kind](faults, "app->mars")


@pytest.mark.parametrize("kind", ["killed", "paused", "restarted"])
async def test_a_process_the_stack_does_not_have_is_refused(faults: Faults, kind: str) -> None:
    with pytest.raises(FaultError, match="no process 'init'; the stack has app"):
        getattr(faults, kind)("init")


async def test_a_proxy_that_leads_to_a_host_that_is_not_allowed_is_left_alone(
    stack: FakeStack, faults: Faults, judge: Judge
) -> None:
    client = ToxiproxyClient(stack.toxiproxy_url)
    client.update(IDLE, upstream="192.0.2.7:5432")
    with pytest.raises(HostNotAllowed, match=r"192\.0\.2\.7"):
        async with faults.latency(IDLE, ms=5):
            pass
    assert client.toxics(IDLE) == ()
    allowing = Faults(stack, judge.receive, lambda: 0.0, allow=["192.0.2.0/24"])
    async with allowing.latency(IDLE, ms=5):
        assert len(client.toxics(IDLE)) == 1


async def test_a_link_that_starts_elsewhere_is_refused(
    stack: FakeStack, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack.links[IDLE], "address", ("192.0.2.8", 1))
    with pytest.raises(HostNotAllowed, match=r"a fault on app->redis is aimed at 192\.0\.2\.8"):
        faults.down(IDLE)


async def test_a_toxiproxy_elsewhere_is_not_asked(stack: FakeStack, judge: Judge) -> None:
    elsewhere = FakeStack("http://192.0.2.9:8474")
    elsewhere.links = stack.links
    with pytest.raises(HostNotAllowed, match=r"192\.0\.2\.9"):
        async with Faults(elsewhere, judge.receive, lambda: 0.0).latency(LINK, ms=5):
            pass


async def test_a_container_stack_may_be_hurt_in_its_own_network(
    stack: FakeStack, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "kind", "containers")
    client = ToxiproxyClient(stack.toxiproxy_url)
    for upstream in ("172.18.0.5:5432", "app:8000"):
        client.update(IDLE, upstream=upstream)
        async with faults.latency(IDLE, ms=5):
            assert len(client.toxics(IDLE)) == 1
    client.update(IDLE, upstream="93.184.216.34:80")
    with pytest.raises(HostNotAllowed):
        async with faults.latency(IDLE, ms=5):
            pass


# -- when healing fails ----------------------------------------------------------------------------


async def test_a_fault_that_cannot_be_healed_raises(stack: FakeStack, talker: Talker, faults: Faults) -> None:
    client = ToxiproxyClient(stack.toxiproxy_url)
    fault = await faults.latency(LINK, ms=5).__aenter__()
    await talker.ask()
    client.remove(LINK, client.toxics(LINK)[0].name)
    with pytest.raises(FaultError, match="toxic not found"):
        await fault.__aexit__(None, None, None)
    assert receipt_of(fault).bit


async def test_what_the_scenario_found_outweighs_a_failed_healing(stack: FakeStack, faults: Faults) -> None:
    client = ToxiproxyClient(stack.toxiproxy_url)
    fault = await faults.latency(LINK, ms=5).__aenter__()
    client.remove(LINK, client.toxics(LINK)[0].name)
    found = GapFound("sold twice")
    await fault.__aexit__(GapFound, found, None)
    assert "latency 5 ms downstream on client->app could not be healed" in found.__notes__[0]


async def test_a_fault_tells_what_has_crossed_so_far(talker: Talker, faults: Faults) -> None:
    async with faults.latency(LINK, ms=5) as fault:
        assert isinstance(fault, OnLink)
        assert fault.traffic().messages == 0
        await talker.ask()
        assert fault.traffic().messages == 1
