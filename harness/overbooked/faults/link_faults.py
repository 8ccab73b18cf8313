"""Faults on a link: toxics, and a disabled proxy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from overbooked.faults.allowed_hosts import HostPolicy
from overbooked.faults.base import Fault, FaultObservation
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

# The time limit for delayed data to arrive after its release; on loopback it takes about a millisecond.
_RELEASE_S = 0.25
_POLL_S = 0.005
# With a toxicity below 1, the highest accepted probability that no connection was affected.
_MISSED_ODDS = 1e-3


@dataclass(frozen=True, slots=True)
class Site:
    """A link, with its Toxiproxy client and the receiver of receipts."""

    link: Link
    client: ToxiproxyClient
    receive: Callable[[Receipt], None]
    clock: Callable[[], float]

    def begin(self, aim: HostPolicy) -> None:
        """Check the Toxiproxy and the upstream of the link before a fault affects them; blocking.

        Raises:
            HostNotAllowed: one of them is a host that faults may not target.
        """
        aim.server(self.client.host)
        aim.upstream(self.client.proxy(self.link.toxiproxy))


class OnLink(Fault):
    """A fault on a link; it observes the link's traffic while it is active."""

    def __init__(self, site: Site, aim: HostPolicy, what: str) -> None:
        super().__init__(what, site.link.name, site.receive, site.clock)
        self.link = site.link
        self._site = site
        self._aim = aim
        self._before = Traffic()

    def traffic(self) -> Traffic:
        """The traffic of the link since the fault was injected."""
        return self.link.traffic().since(self._before)

    async def inject(self) -> None:
        await asyncio.to_thread(self._site.begin, self._aim)
        await self._inject()
        self._before = self.link.traffic()

    async def _inject(self) -> None:
        raise NotImplementedError

    def observe(self) -> FaultObservation:
        seen = self.traffic()
        effect: dict[str, Any] = {
            "connections": seen.connections,
            "replies": seen.replies,
            "resets": seen.resets,
            "closes": seen.closes,
        }
        crossed = seen.messages + seen.replies
        return FaultObservation(crossed, seen.bytes_up + seen.bytes_down, effect, self.touched(seen))

    def touched(self, seen: Traffic) -> bool:
        """Whether the traffic shows that the fault had an effect."""
        raise NotImplementedError


class ToxicOnLink(OnLink):
    """A toxic on a link.

    Args:
        wanted: the toxic with its name, stream and toxicity.
    """

    def __init__(self, site: Site, aim: HostPolicy, wanted: ToxicState) -> None:
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

    def observe(self) -> FaultObservation:
        seen = super().observe()
        effect = dict(seen.effect)
        if self.wanted.toxicity < 1:
            effect["toxicity"] = self.wanted.toxicity
        return FaultObservation(seen.messages, seen.bytes, effect, seen.bit)

    async def settle(self, before: FaultObservation) -> FaultObservation:
        """Count a reply or end of stream that arrives after the removal, because the toxic delayed it."""
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
            # Dropped downstream data cannot be counted, but sent requests can.
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
    """`reset_peer`; the relay resets the connections that are already open.

    Toxiproxy would end those with an end of stream, which a client may treat as an orderly close.
    """

    def __init__(self, site: Site, aim: HostPolicy, wanted: ToxicState) -> None:
        super().__init__(site, aim, wanted)
        self.cut = 0

    async def _inject(self) -> None:
        await super()._inject()
        self.cut = await asyncio.to_thread(self.link.cut)

    def observe(self) -> FaultObservation:
        seen = super().observe()
        return FaultObservation(seen.messages, seen.bytes, {**seen.effect, "cut": self.cut}, seen.bit)

    def touched(self, seen: Traffic) -> bool:
        return self.cut > 0 or super().touched(seen)


class DownOnLink(OnLink):
    """Disables the link's proxy: its connections are closed and new ones are refused."""

    async def _inject(self) -> None:
        await asyncio.to_thread(self._site.client.update, self.link.toxiproxy, enabled=False)

    async def heal(self) -> None:
        await asyncio.to_thread(self._site.client.update, self.link.toxiproxy, enabled=True)

    def touched(self, seen: Traffic) -> bool:
        return seen.connections > 0 or seen.messages > 0
