"""Faults on a link: toxics, and its Toxiproxy taken down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from overbooked.faults.allowed_hosts import Aim
from overbooked.faults.in_force import Fault, Observed
from overbooked.stacks.base.protocol import Link, Traffic
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.toxiproxy.state import ToxicState
from overbooked.toxiproxy.toxics import (
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

# How long what was held back may take to arrive once it is let go; on loopback a millisecond does.
_RELEASE_S = 0.25
_POLL_S = 0.005
# With a toxicity below 1 the chance that no connection was hit must be at most this.
_MISSED_ODDS = 1e-3


@dataclass(frozen=True, slots=True)
class Site:
    """A link and what is needed to do something to it."""

    link: Link
    client: ToxiproxyClient
    receive: Callable[[Receipt], None]
    clock: Callable[[], float]

    def begin(self, aim: Aim) -> None:
        """Check where the link leads before anything is done to it; blocking.

        Raises:
            HostNotAllowed: to a host that may not be hurt.
        """
        aim.server(self.client.host)
        aim.upstream(self.client.proxy(self.link.toxiproxy))


class OnLink(Fault):
    """A fault on a link, which sees what crosses while it is in force."""

    def __init__(self, site: Site, aim: Aim, what: str) -> None:
        super().__init__(what, site.link.name, site.receive, site.clock)
        self.link = site.link
        self._site = site
        self._aim = aim
        self._before = Traffic()

    def traffic(self) -> Traffic:
        """What has crossed the link since the fault came into force."""
        return self.link.traffic().since(self._before)

    async def inject(self) -> None:
        await asyncio.to_thread(self._site.begin, self._aim)
        await self._inject()
        self._before = self.link.traffic()

    async def _inject(self) -> None:
        raise NotImplementedError

    def observe(self) -> Observed:
        seen = self.traffic()
        effect: dict[str, Any] = {
            "connections": seen.connections,
            "replies": seen.replies,
            "resets": seen.resets,
            "closes": seen.closes,
        }
        crossed = seen.messages + seen.replies
        return Observed(crossed, seen.bytes_up + seen.bytes_down, effect, self.touched(seen))

    def touched(self, seen: Traffic) -> bool:
        """Whether what crossed shows that the fault was met."""
        raise NotImplementedError


class ToxicOnLink(OnLink):
    """A toxic on a link.

    Args:
        wanted: the toxic with its name, stream and toxicity.
    """

    def __init__(self, site: Site, aim: Aim, wanted: ToxicState) -> None:
        super().__init__(site, aim, f"{wanted.toxic} {wanted.stream.value}")
        self.wanted = wanted

    async def _inject(self) -> None:
        wanted = self.wanted
        await asyncio.to_thread(
            self._site.client.add,
            self.link.toxiproxy,
            wanted.toxic,
            name=wanted.name,
            stream=wanted.stream,
            toxicity=wanted.toxicity,
        )

    async def heal(self) -> None:
        await asyncio.to_thread(self._site.client.remove, self.link.toxiproxy, self.wanted.name)

    def observe(self) -> Observed:
        seen = super().observe()
        effect = dict(seen.effect)
        if self.wanted.toxicity < 1:
            effect["toxicity"] = self.wanted.toxicity
        return Observed(seen.messages, seen.bytes, effect, seen.bit)

    async def settled(self, before: Observed) -> Observed:
        """A reply or an end that arrives when the toxic goes had been held back by it."""
        if before.bit or not self._may_be_held():
            return before
        deadline = time.monotonic() + _RELEASE_S
        while True:
            after = self.observe()
            if after.bit or time.monotonic() >= deadline:
                return after
            await asyncio.sleep(_POLL_S)

    def _may_be_held(self) -> bool:
        seen = self.traffic()
        if isinstance(self.wanted.toxic, SlowClose):
            return seen.messages + seen.replies + seen.connections > 0
        delays = isinstance(self.wanted.toxic, Latency | Bandwidth | Slicer)
        return delays and self.wanted.stream is Stream.DOWNSTREAM and seen.messages > 0

    def touched(self, seen: Traffic) -> bool:
        passed = seen.replies if self.wanted.stream is Stream.DOWNSTREAM else seen.messages
        moved = seen.bytes_down if self.wanted.stream is Stream.DOWNSTREAM else seen.bytes_up
        if isinstance(self.wanted.toxic, Timeout):
            # What it swallows downstream nobody sees: something was asked, and that is what counts.
            met = seen.messages > 0
        elif isinstance(self.wanted.toxic, LimitData):
            met = seen.messages > 0 and moved >= self.wanted.toxic.limit_bytes
        elif isinstance(self.wanted.toxic, ResetPeer):
            met = seen.messages > 0 and seen.resets > 0
        elif isinstance(self.wanted.toxic, SlowClose):
            met = seen.closes > seen.resets
        else:
            met = passed > 0
        missed = (1 - self.wanted.toxicity) ** seen.connections
        return met and (self.wanted.toxicity == 1 or missed <= _MISSED_ODDS)


class ResetOnLink(ToxicOnLink):
    """`reset_peer`, with the connections there are reset by the relay.

    To them Toxiproxy would send an end of stream, which a client may take for an orderly goodbye.
    """

    def __init__(self, site: Site, aim: Aim, wanted: ToxicState) -> None:
        super().__init__(site, aim, wanted)
        self.cut = 0

    async def _inject(self) -> None:
        await super()._inject()
        self.cut = await asyncio.to_thread(self.link.cut)

    def observe(self) -> Observed:
        seen = super().observe()
        return Observed(seen.messages, seen.bytes, {**seen.effect, "cut": self.cut}, seen.bit)

    def touched(self, seen: Traffic) -> bool:
        return self.cut > 0 or super().touched(seen)


class DownOnLink(OnLink):
    """The link's proxy disabled: its connections end and new ones are refused."""

    async def _inject(self) -> None:
        await asyncio.to_thread(self._site.client.update, self.link.toxiproxy, enabled=False)

    async def heal(self) -> None:
        await asyncio.to_thread(self._site.client.update, self.link.toxiproxy, enabled=True)

    def touched(self, seen: Traffic) -> bool:
        return seen.connections > 0 or seen.messages > 0
