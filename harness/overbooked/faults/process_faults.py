"""Faults on a process of the stack: kill, pause, restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from overbooked.catalog.model import Means
from overbooked.errors import FaultError
from overbooked.faults.base import Fault, FaultObservation
from overbooked.stacks.base.protocol import Link, Process, Traffic
from overbooked.verdicts.evidence import Receipt


class OnProcess(Fault):
    """A fault on a process; it observes the traffic to the process while it is active.

    Args:
        towards: the links that lead to the process.
    """

    means = Means.PROCESS

    def __init__(
        self,
        what: str,
        process: Process,
        towards: Sequence[Link],
        receive: Callable[[Receipt], None],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(what, process.name, receive, clock)
        self.process = process
        self._towards = towards
        self._before: list[Traffic] = []
        self._pid: int | None = None
        self._since = 0.0

    async def inject(self) -> None:
        if not self.process.alive():
            tail = "\n".join(self.process.log_tail(10))
            raise FaultError(f"{self.process.name} should run before it is {self.what}; it does not\n{tail}")
        self._pid = self.process.pid
        self._before = [link.traffic() for link in self._towards]
        self._since = time.monotonic()
        await self._inject()

    async def _inject(self) -> None:
        raise NotImplementedError

    def _sent(self) -> tuple[int, int, int]:
        """Messages, bytes and new connections towards the process since the fault."""
        seen = [
            link.traffic().since(before) for link, before in zip(self._towards, self._before, strict=True)
        ]
        return (
            sum(traffic.messages for traffic in seen),
            sum(traffic.bytes_up for traffic in seen),
            sum(traffic.connections for traffic in seen),
        )


class Killed(OnProcess):
    """SIGKILL on entry, restart on exit."""

    async def _inject(self) -> None:
        await asyncio.to_thread(self.process.kill)

    async def heal(self) -> None:
        if not self.process.alive():
            await self.process.start()

    def observe(self) -> FaultObservation:
        messages, moved, connections = self._sent()
        effect = {
            "pid": self._pid,
            "down_s": round(time.monotonic() - self._since, 4),
            "connections_tried": connections,
        }
        return FaultObservation(messages, moved, effect, bit=not self.process.alive())


class Paused(OnProcess):
    """SIGSTOP on entry, SIGCONT on exit: the process keeps its connections but does not answer."""

    async def _inject(self) -> None:
        await asyncio.to_thread(self.process.pause)

    async def heal(self) -> None:
        await asyncio.to_thread(self.process.resume)

    def observe(self) -> FaultObservation:
        messages, moved, connections = self._sent()
        effect = {
            "pid": self._pid,
            "paused_s": round(time.monotonic() - self._since, 4),
            "connections_tried": connections,
        }
        # Without a request the pause has no observable effect.
        return FaultObservation(
            messages, moved, effect, bit=self.process.alive() and messages + connections > 0
        )


class Restarted(OnProcess):
    """SIGKILL and restart, both on entry: the block runs in the state after the crash."""

    def __init__(
        self,
        what: str,
        process: Process,
        towards: Sequence[Link],
        receive: Callable[[Receipt], None],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(what, process, towards, receive, clock)
        self._down_s = 0.0

    async def _inject(self) -> None:
        await asyncio.to_thread(self.process.kill)
        died = not self.process.alive()
        await self.process.start()
        self._down_s = time.monotonic() - self._since
        if not died:
            raise FaultError(f"{self.process.name} was to be restarted, but survived SIGKILL")

    async def heal(self) -> None:
        if not self.process.alive():
            await self.process.start()

    def observe(self) -> FaultObservation:
        messages, moved, connections = self._sent()
        effect = {
            "pid_before": self._pid,
            "pid": self.process.pid,
            "down_s": round(self._down_s, 4),
            "connections": connections,
        }
        anew = self.process.alive() and (self._pid is None or self.process.pid != self._pid)
        return FaultObservation(messages, moved, effect, bit=anew)
