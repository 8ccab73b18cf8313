"""Maps the unexpected end of a part of a stack to the error that determines the verdict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from overbooked.errors import HarnessError, PartDied, StackError, SystemDied, UsageError


class Part(Protocol):
    """A part that has ended."""

    @property
    def name(self) -> str: ...

    def log_tail(self, lines: int = 40) -> list[str]: ...


class MonitoredPart(Part, Protocol):
    """A part that may have ended."""

    def how_it_ended(self) -> str:
        """How it ended on its own; empty while it runs or if the harness ended it."""


class Checkable(Protocol):
    """A stack whose parts can be checked."""

    async def check(self) -> None:
        """Raise SystemDied or PartDied if a part has ended on its own."""


def failure_of(part: Part, end: str, *, replicas: Sequence[str]) -> SystemDied | PartDied:
    """Create the error for a part that ended: SystemDied for the service under test, else PartDied.

    The end of the service is a finding; the end of any other part makes the verdict inconclusive.

    Args:
        end: how the part ended, e.g. `was ended by SIGSEGV`.
        replicas: names of the service's replicas.
    """
    log = part.log_tail(20)
    if part.name in replicas:
        return SystemDied(
            f"{part.name} {end} while no fault was injected into it",
            expected="the service survives every request",
            observed=f"{part.name} {end}",
            details={"log": log},
        )
    last = next((line.strip() for line in reversed(log) if line.strip()), "")
    words = f"; its last log line: {last[:300]}" if last else ""
    return PartDied(f"{part.name} {end} on its own{words}", part=part.name, log=log)


@contextmanager
def report_root_cause(
    parts: Callable[[], Iterable[MonitoredPart]], *, replicas: Sequence[str]
) -> Iterator[None]:
    """If a part does not start because another part ended (e.g. the database), report the other part.

    Args:
        parts: returns the parts that exist at that time.
        replicas: names of the service's replicas; their end is not the cause of other failures.

    Raises:
        PartDied: a part that is not under test ended on its own.
    """
    try:
        yield
    except StackError as error:
        for part in parts():
            end = "" if part.name in replicas else part.how_it_ended()
            if end and end not in str(error):
                raise failure_of(part, end, replicas=replicas) from error
        raise


class CheckedLink(Protocol):
    """A link that records why its gate could not parse connections."""

    def troubles(self) -> tuple[str, ...]: ...


@contextmanager
def report_gate_errors(links: Callable[[], Mapping[str, CheckedLink]]) -> Iterator[None]:
    """If a part does not start because the gate cannot parse its connection, report the gate's reason.

    Args:
        links: returns the links that exist at that time, by name.

    Raises:
        StackError: with that reason, the part that did not start, and its log.
    """
    try:
        yield
    except StackError as error:
        for name, link in links().items():
            if troubles := link.troubles():
                raise StackError(f"{name}: {troubles[0]}", part=error.part, log=error.log) from error
        raise


@asynccontextmanager
async def require_parts_alive(stack: Checkable) -> AsyncIterator[None]:
    """Require that every part is alive at the end of the block; a dead part replaces the block's own error.

    Raises:
        SystemDied: the service ended on its own.
        PartDied: another part ended on its own.
    """
    try:
        yield
    except UsageError:
        raise
    except HarnessError as error:
        try:
            await stack.check()
        except (SystemDied, StackError) as death:
            raise death from error
        raise
    await stack.check()
