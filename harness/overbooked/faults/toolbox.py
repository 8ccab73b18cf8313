"""The faults of a scenario: each an async context manager that heals and hands in a receipt.

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
from overbooked.faults.allowed_hosts import Aim
from overbooked.faults.link_faults import DownOnLink, ResetOnLink, Site, ToxicOnLink
from overbooked.faults.message_faults import AtMessage, Strike
from overbooked.faults.process_faults import Killed, Paused, Restarted
from overbooked.faults.stepped_process import Stepped
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
_KNOWN_PROCESS = re.compile(r"app(-\d+)?|provider|postgres|redis")


class Faults:
    """What can be done to one stack.

    Args:
        stack: whose links and processes they are.
        receive: takes each receipt, e.g. `Judge.receive`.
        clock: seconds since the start of the scenario.
        allow: hosts and networks besides loopback and the stack's own that may be hurt
            (`[stack] allow_hosts`).
        timeout_s: how long Toxiproxy may take to answer.

    A link or process that the system does not have raises NotSupported, one that no system has
    FaultError, one outside what may be hurt
    HostNotAllowed, both before anything is done. `stream` says which way the bytes go that a toxic is
    put on; downstream is from the server back to the client.
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
        self._aim = Aim(stack, allow)
        self._client = ToxiproxyClient(stack.toxiproxy_url, timeout_s=timeout_s)
        self._serial = itertools.count(1)

    # -- toxics --------------------------------------------------------------------------------

    def toxic(
        self, link: str, toxic: AnyToxic, *, stream: Stream = DOWN, toxicity: float = 1.0
    ) -> ToxicOnLink:
        """Any toxic; with a toxicity below 1 only some of the connections have it.

        The receipt then says that it bit only if so many connections were made that one surely had.
        """
        wanted = ToxicState(self._name(toxic), Stream(stream), toxicity, toxic)
        return ToxicOnLink(self._site(link), self._aim, wanted)

    def latency(self, link: str, *, ms: int, jitter_ms: int = 0, stream: Stream = DOWN) -> ToxicOnLink:
        """Delay everything by `ms`, give or take up to `jitter_ms`."""
        return self.toxic(link, Latency(ms, jitter_ms), stream=stream)

    def bandwidth(self, link: str, *, kb_per_s: int, stream: Stream = DOWN) -> ToxicOnLink:
        """Let at most `kb_per_s` kilobytes (of 1000 bytes) a second through."""
        return self.toxic(link, Bandwidth(kb_per_s), stream=stream)

    def timeout(self, link: str, *, ms: int = 0, stream: Stream = DOWN) -> ToxicOnLink:
        """Stall: swallow everything; close after `ms` of silence, never when 0.

        Downstream the server does what it is asked and its answer is lost; upstream it is never
        asked. On exit the connections that were stalled are closed.
        """
        return self.toxic(link, Timeout(ms), stream=stream)

    def reset_peer(self, link: str, *, after_ms: int = 0, stream: Stream = DOWN) -> ResetOnLink:
        """Reset the connections there are, and each new one at its first byte, after `after_ms`."""
        toxic = ResetPeer(after_ms)
        wanted = ToxicState(self._name(toxic), Stream(stream), 1.0, toxic)
        return ResetOnLink(self._site(link), self._aim, wanted)

    def slicer(
        self,
        link: str,
        *,
        size_bytes: int,
        variation_bytes: int = 0,
        delay_us: int = 0,
        stream: Stream = DOWN,
    ) -> ToxicOnLink:
        """Cut everything into pieces of `size_bytes` +/- `variation_bytes`, `delay_us` after each."""
        return self.toxic(link, Slicer(size_bytes, variation_bytes, delay_us), stream=stream)

    def limit_data(self, link: str, *, limit_bytes: int, stream: Stream = DOWN) -> ToxicOnLink:
        """Close each connection when `limit_bytes` bytes have passed."""
        return self.toxic(link, LimitData(limit_bytes), stream=stream)

    def slow_close(self, link: str, *, delay_ms: int, stream: Stream = DOWN) -> ToxicOnLink:
        """Keep the end of each connection back for `delay_ms`."""
        return self.toxic(link, SlowClose(delay_ms), stream=stream)

    def down(self, link: str) -> DownOnLink:
        """End every connection of the link and refuse new ones."""
        return DownOnLink(self._site(link), self._aim, "down")

    @asynccontextmanager
    async def widened(self, link: str, *, ms: int, jitter_ms: int = 0) -> AsyncIterator[None]:
        """Latency where the system has this link, nothing where it has not.

        An aid to bursts: it widens the time between a look and a leap. What a clause rests on is a
        fault, and is asked for by its own name.
        """
        if link in self._stack.links:
            async with self.latency(link, ms=ms, jitter_ms=jitter_ms):
                yield
        else:
            yield

    # -- processes -----------------------------------------------------------------------------

    def killed(self, process: str) -> Killed:
        """kill -9; started again on exit."""
        return Killed("killed", *self._whom(process))

    def paused(self, process: str) -> Paused:
        """Stopped by signal: it keeps its connections and answers none; goes on on exit."""
        return Paused("paused", *self._whom(process))

    def restarted(self, process: str) -> Restarted:
        """kill -9 and started again, both before the block."""
        return Restarted("restarted", *self._whom(process))

    def stepped(self, process: str, *links: str) -> Stepped:
        """Stopped by signal at each message of the links, until `next` or the end of the block.

        For looking at what each single message has done, and for striking right after one that did
        something.
        """
        if not links:
            raise FaultError("a process is stepped by the messages of at least one link")
        whom, _, receive, clock = self._whom(process)
        return Stepped(whom, [self._aim.link(link) for link in links], receive, clock)

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
    ) -> AtMessage:
        """Strike when the `nth` message from now (1 is the next) is about to be passed on.

        Exactly one of:

        kill: SIGKILL to a process, dead before the message is passed on; started again on exit.
        pause: SIGSTOP to a process; goes on on exit.
        cut: reset every connection of the link; the message is not passed on.
        stall: swallow what goes `upstream` (the message too) or `downstream` (its answer) from then
            on; on exit the stalled connections are closed.
        """
        site = self._site(link)
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
        return AtMessage(site, self._aim, nth, strike, Means.PROCESS if kill or pause else Means.TOXICS)

    # -- what they are done to -----------------------------------------------------------------

    def _site(self, link: str) -> Site:
        return Site(self._aim.link(link), self._client, self._receive, self._clock)

    def _name(self, toxic: AnyToxic) -> str:
        return f"{toxic.type}-{next(self._serial)}"

    def _process(self, name: str) -> Process:
        if name not in self._stack.processes:
            there = ", ".join(sorted(self._stack.processes)) or "none that can be reached"
            if _KNOWN_PROCESS.fullmatch(name):
                raise NotSupported(f"needs to disturb the process {name}, and this stack has {there}")
            raise FaultError(f"no process {name!r}; the stack has {there}")
        return self._stack.processes[name]

    def _whom(self, name: str) -> tuple[Process, list[Link], Callable[[Receipt], None], Callable[[], float]]:
        towards = [link for link in self._stack.links.values() if link.name.rpartition("->")[2] == name]
        return self._process(name), towards, self._receive, self._clock


def _kill(process: Process) -> Strike:
    def act() -> dict[str, object]:
        was = process.alive()
        pid = process.pid
        process.kill()
        return {"pid": pid, "hit": was and not process.alive()}

    async def undo() -> None:
        if not process.alive():
            await process.start()

    return Strike(f"kill {process.name}", act, undo)


def _pause(process: Process) -> Strike:
    def act() -> dict[str, object]:
        process.pause()
        return {"pid": process.pid, "hit": process.alive()}

    async def undo() -> None:
        await asyncio.to_thread(process.resume)

    return Strike(f"pause {process.name}", act, undo)


def _cut(link: Link) -> Strike:
    def act() -> dict[str, object]:
        cut = link.cut()
        return {"cut": cut, "hit": cut > 0}

    async def undo() -> None:
        """What was cut stays cut."""

    return Strike("cut", act, undo)


def _stall(site: Site, name: str, stream: Stream) -> Strike:
    def act() -> dict[str, object]:
        site.client.add(site.link.toxiproxy, Timeout(), name=name, stream=stream)
        return {"hit": True}

    async def undo() -> None:
        await asyncio.to_thread(site.client.remove, site.link.toxiproxy, name)

    return Strike(f"stall {stream.value}", act, undo)


__all__ = ["Faults"]
