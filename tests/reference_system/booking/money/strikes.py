"""Faults at every boundary of a request: each SQL statement, each commit, each call to the provider.

The service runs in the test's process, so boundaries are counted and a fault is injected by raising: before
the effect, or after it with the answer lost. `KILLED` is like kill -9: the request runs no further. `BROKEN`
loses one message; `DOWN` is the loss of the link from then on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httpx
import pytest

from reference_system.booking.payments import client
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.db_errors import Disconnected, OutcomeUnknown
from reference_system.booking.platform.runtime import Runtime


class Killed(BaseException):
    """The simulated end of the process; no handler catches it."""


class Harm(Enum):
    KILLED = "killed"
    BROKEN = "broken"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at the n-th boundary (from 0) of one request, or at the first one named `where`."""

    n: int
    harm: Harm
    after: bool
    where: str = ""

    def falls_on(self, n: int, name: str) -> bool:
        return name.endswith(self.where) if self.where else n == self.n

    def __str__(self) -> str:
        return f"{self.harm.value} {'after' if self.after else 'before'} {self.n}"


@dataclass(slots=True)
class Wire:
    """Counts the boundaries of a request and injects a fault at one."""

    strike: Strike | None = None
    passed: list[str] = field(default_factory=list)
    struck: str = ""
    down: str = ""
    statements: bool = True

    async def cross(
        self, link: str, name: str, lost: Callable[[], Exception], act: Callable[[], Awaitable[Any]]
    ) -> Any:
        n = len(self.passed)
        self.passed.append(f"{link}: {name}")
        if self.down == link:
            raise lost()
        strike = self.strike
        if self.struck or strike is None or not strike.falls_on(n, self.passed[n]):
            return await act()
        self.struck = self.passed[n]
        if strike.after:
            await act()
        if strike.harm is Harm.KILLED:
            raise Killed
        if strike.harm is Harm.DOWN:
            self.down = link
        raise lost()


@contextmanager
def on(runtime: Runtime, wire: Wire) -> Iterator[Wire]:
    """Route every boundary of the service through `wire` during the block."""
    run, commit = UnitOfWork._run, UnitOfWork.commit
    http = client.of(runtime)._http
    request = http.request

    async def struck_run(self: UnitOfWork, sql: str, parameters: dict[str, Any]) -> Any:
        if not wire.statements:
            if wire.down == "database":
                raise Disconnected("struck")
            return await run(self, sql, parameters)
        name = " ".join(sql.split())[:60]
        return await wire.cross(
            "database", name, lambda: Disconnected("struck"), lambda: run(self, sql, parameters)
        )

    async def struck_commit(self: UnitOfWork) -> None:
        self.commit_sent = True
        await wire.cross("database", "COMMIT", lambda: OutcomeUnknown("struck"), lambda: commit(self))

    async def struck_request(method: str, path: str, **rest: Any) -> Any:
        return await wire.cross(
            "provider",
            f"{method} {path}",
            lambda: httpx.ReadError("struck"),
            lambda: request(method, path, **rest),
        )

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(UnitOfWork, "_run", struck_run)
        patched.setattr(UnitOfWork, "commit", struck_commit)
        patched.setattr(http, "request", struck_request)
        yield wire


async def boundaries(
    runtime: Runtime, act: Callable[[], Awaitable[Any]], *, statements: bool = True
) -> list[str]:
    """Return the boundaries that `act` crosses without a fault."""
    with on(runtime, Wire(statements=statements)) as wire:
        await act()
    return wire.passed
