"""The faults of a scenario: async context managers that heal on exit and add a receipt.

async with faults.latency("app->postgres", ms=80):
    await ana.books(slot)
async with faults.at_message("app->postgres", 3, kill="app") as fault:
    await ana.books(slot)
    await fault.struck(within_s=5)
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from overbooked.catalog.model import Means
from overbooked.errors import FaultError, NotSupported
from overbooked.faults.allowed_hosts import HostPolicy
from overbooked.faults.link_faults import DownOnLink, ResetOnLink, Site, ToxicOnLink
from overbooked.faults.message_faults import FaultAtMessage, StrikeAction
from overbooked.faults.process_faults import Killed, Paused, Restarted
from overbooked.faults.stepped_process import SteppedProcess
from overbooked.part_names import accept_name, current_name
from overbooked.stacks.base.protocol import Link, Process, Stack
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.toxiproxy.state import ToxicState
from overbooked.toxiproxy.toxics import (
    AnyToxic,
    Bandwidth,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Stream,
    Timeout,
)
from overbooked.verdicts.evidence import Receipt

DOWN = Stream.DOWNSTREAM
_KNOWN_PROCESS = re.compile(r"app(-\d+)?|payments|postgres|redis")


class Faults:
    """The faults that can be injected into one stack.

    Args:
        stack: the stack; its links and processes are the targets.
        receive: called with each receipt, e.g. `Judge.receive`.
        clock: returns seconds since the start of the scenario.
        allow: hosts and networks that faults may target in addition to loopback and the stack's own
            (`[stack] allow_hosts`).
        timeout_s: how long Toxiproxy may take to answer, in seconds.

    Targets are checked before the injection: a link or process that this system lacks raises NotSupported, an
    unknown name raises FaultError, and a host that is not allowed raises HostNotAllowed. `stream` is the
    direction that a toxic affects; downstream is from the server to the client.
    """

    def __init__(
        self,
        stack: Stack,
        receive: Callable[[Receipt], None],
        clock: Callable[[], float],
        *,
        allow: Sequence[str] = (),
        timeout_s: float = 5.0,
    ) -> None:
        self._stack = stack
        self._receive = receive
        self._clock = clock
        self._aim = HostPolicy(stack, allow)
        self._client = ToxiproxyClient(stack.toxiproxy_url, timeout_s=timeout_s)
        self._serial = itertools.count(1)

    # -- toxics --------------------------------------------------------------------------------

    def toxic(
        self, link: str, toxic: AnyToxic, *, stream: Stream = DOWN, toxicity: float = 1.0
    ) -> ToxicOnLink:
        """Add any toxic; with a toxicity below 1 it affects only some of the connections.

        The receipt then shows an effect only if the number of connections made it almost certain that at
        least one was affected.
        """
        wanted = ToxicState(self._name(toxic), Stream(stream), toxicity, toxic)
        return ToxicOnLink(self._placement(link), self._aim, wanted)

    def latency(self, link: str, *, ms: int, jitter_ms: int = 0, stream: Stream = DOWN) -> ToxicOnLink:
        """Delay everything by `ms`, plus or minus up to `jitter_ms`."""
        return self.toxic(link, Latency(ms, jitter_ms), stream=stream)

    def bandwidth(self, link: str, *, kb_per_s: int, stream: Stream = DOWN) -> ToxicOnLink:
        """Limit the throughput to `kb_per_s` kilobytes (1000 bytes) per second."""
        return self.toxic(link, Bandwidth(kb_per_s), stream=stream)

    def timeout(self, link: str, *, ms: int = 0, stream: Stream = DOWN) -> ToxicOnLink:
        """Stall the link: drop all data; close after `ms` milliseconds without data, never if `ms` is 0.

        Downstream, the server executes requests and its answers are lost; upstream, requests do not reach
        the server. On exit the stalled connections are closed.
        """
        return self.toxic(link, Timeout(ms), stream=stream)

    def reset_peer(self, link: str, *, after_ms: int = 0, stream: Stream = DOWN) -> ResetOnLink:
        """Reset the open connections, and each new one `after_ms` milliseconds after its first byte."""
        toxic = ResetPeer(after_ms)
        wanted = ToxicState(self._name(toxic), Stream(stream), 1.0, toxic)
        return ResetOnLink(self._placement(link), self._aim, wanted)

    def slicer(
        self,
        link: str,
        *,
        size_bytes: int,
        variation_bytes: int = 0,
        delay_us: int = 0,
        stream: Stream = DOWN,
    ) -> ToxicOnLink:
        """Split data into pieces of `size_bytes` +/- `variation_bytes`, delayed by `delay_us` after each."""
        return self.toxic(link, Slicer(size_bytes, variation_bytes, delay_us), stream=stream)

    def limit_data(self, link: str, *, limit_bytes: int, stream: Stream = DOWN) -> ToxicOnLink:
        """Close each connection after `limit_bytes` bytes."""
        return self.toxic(link, LimitData(limit_bytes), stream=stream)

    def slow_close(self, link: str, *, delay_ms: int, stream: Stream = DOWN) -> ToxicOnLink:
        """Delay the end of each connection by `delay_ms`."""
        return self.toxic(link, SlowClose(delay_ms), stream=stream)

    def down(self, link: str) -> DownOnLink:
        """End every connection of the link and refuse new ones."""
        return DownOnLink(self._placement(link), self._aim, "down")

    @asynccontextmanager
    async def widened(self, link: str, *, ms: int, jitter_ms: int = 0) -> AsyncIterator[None]:
        """Add latency if the system has this link, else do nothing.

        It helps bursts to find races, because it lengthens the time between a check and the write that relies
        on it. It is no evidence for a clause; a fault that a clause requires is injected by its own method.
        """
        if current_name(link) in self._stack.links:
            async with self.latency(link, ms=ms, jitter_ms=jitter_ms):
                yield
        else:
            yield

    # -- processes -----------------------------------------------------------------------------

    def killed(self, process: str) -> Killed:
        """Kill a process with SIGKILL; restart it on exit."""
        return Killed("killed", *self._target(process))

    def paused(self, process: str) -> Paused:
        """Pause a process with SIGSTOP: it keeps its connections but does not answer; resume it on exit."""
        return Paused("paused", *self._target(process))

    def restarted(self, process: str) -> Restarted:
        """Kill a process with SIGKILL and restart it, both before the block."""
        return Restarted("restarted", *self._target(process))

    def stepped(self, process: str, *links: str) -> SteppedProcess:
        """Stop a process with SIGSTOP at each message of the links, until `next` or the end of the block.

        Use it to inspect the effect of each message, or to inject a fault immediately after a given one.
        """
        if not links:
            raise FaultError("a process is stepped by the messages of at least one link")
        whom, _, receive, clock = self._target(process)
        return SteppedProcess(whom, [self._aim.link(link) for link in links], receive, clock)

    # -- at a message --------------------------------------------------------------------------

    def at_message(
        self,
        link: str,
        nth: int,
        *,
        kill: str = "",
        pause: str = "",
        cut: bool = False,
        stall: Stream | str = "",
    ) -> FaultAtMessage:
        """Inject a fault just before the `nth` message from now (1 is the next one) is forwarded.

        Exactly one of these is required:

        kill: send SIGKILL to a process, which ends before the message is forwarded; restart it on exit.
        pause: send SIGSTOP to a process; resume it on exit.
        cut: reset every connection of the link; the message is not forwarded.
        stall: from then on, drop data `upstream` (including the message) or `downstream` (its answer);
            on exit the stalled connections are closed.
        """
        site = self._placement(link)
        chosen = [bool(kill), bool(pause), cut, bool(stall)]
        if sum(chosen) != 1:
            raise FaultError("at_message takes exactly one of kill, pause, cut and stall")
        if kill:
            strike = _kill(self._process(kill))
        elif pause:
            strike = _pause(self._process(pause))
        elif cut:
            strike = _cut(site.link)
        else:
            strike = _stall(site, self._name(Timeout()), Stream(stall))
        return FaultAtMessage(site, self._aim, nth, strike, Means.PROCESS if kill or pause else Means.TOXICS)

    # -- targets -------------------------------------------------------------------------------

    def _placement(self, link: str) -> Site:
        return Site(self._aim.link(link), self._client, self._receive, self._clock)

    def _name(self, toxic: AnyToxic) -> str:
        return f"{toxic.type}-{next(self._serial)}"

    def _process(self, name: str) -> Process:
        name = accept_name(name, "a fault")
        if name not in self._stack.processes:
            there = ", ".join(sorted(self._stack.processes)) or "none that can be reached"
            if _KNOWN_PROCESS.fullmatch(name):
                raise NotSupported(f"needs to disturb the process {name}, and this stack has {there}")
            raise FaultError(f"no process {name!r}; the stack has {there}")
        return self._stack.processes[name]

    def _target(
        self, name: str
    ) -> tuple[Process, list[Link], Callable[[Receipt], None], Callable[[], float]]:
        part = current_name(name)
        towards = [link for link in self._stack.links.values() if link.name.rpartition("->")[2] == part]
        return self._process(name), towards, self._receive, self._clock


def _kill(process: Process) -> StrikeAction:
    def act() -> dict[str, object]:
        was = process.alive()
        pid = process.pid
        process.kill()
        return {"pid": pid, "hit": was and not process.alive()}

    async def undo() -> None:
        if not process.alive():
            await process.start()

    return StrikeAction(f"kill {process.name}", act, undo)


def _pause(process: Process) -> StrikeAction:
    def act() -> dict[str, object]:
        process.pause()
        return {"pid": process.pid, "hit": process.alive()}

    async def undo() -> None:
        await asyncio.to_thread(process.resume)

    return StrikeAction(f"pause {process.name}", act, undo)


def _cut(link: Link) -> StrikeAction:
    def act() -> dict[str, object]:
        cut = link.cut()
        return {"cut": cut, "hit": cut > 0}

    async def undo() -> None:
        """Nothing to undo: reset connections are not restored."""

    return StrikeAction("cut", act, undo)


def _stall(site: Site, name: str, stream: Stream) -> StrikeAction:
    def act() -> dict[str, object]:
        site.client.add(site.link.toxiproxy, Timeout(), name=name, stream=stream)
        return {"hit": True}

    async def undo() -> None:
        await asyncio.to_thread(site.client.remove, site.link.toxiproxy, name)

    return StrikeAction(f"stall {stream.value}", act, undo)


__all__ = ["Faults"]
