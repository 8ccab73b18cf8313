"""What it means that a part of a stack has died on its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from overbooked.errors import HarnessError, PartDied, StackError, SystemDied, UsageError


class Dead(Protocol):
    """A part that has ended."""

    @property
    def name(self) -> str: ...

    def log_tail(self, lines: int = 40) -> list[str]: ...


class Mortal(Dead, Protocol):
    """A part that may have ended."""

    def how_it_ended(self) -> str:
        """How it ended on its own; empty while it runs or when we ended it."""


class Checked(Protocol):
    """A stack, as far as it can say that it is whole."""

    async def check(self) -> None:
        """Raises SystemDied or PartDied when a part has ended on its own."""


def own_death(part: Dead, end: str, *, replicas: Sequence[str]) -> SystemDied | PartDied:
    """The service under test that dies opens a gap; any other part makes the run inconclusive.

    Args:
        end: how it ended, e.g. `was ended by SIGSEGV`.
        replicas: names of the service's replicas.
    """
    log = part.log_tail(20)
    if part.name in replicas:
        return SystemDied(
            f"{part.name} {end} while no fault of ours was aimed at it",
            expected="the service outlives whatever it is asked",
            observed=f"{part.name} {end}",
            details={"log": log},
        )
    last = next((line.strip() for line in reversed(log) if line.strip()), "")
    words = f"; its last words: {last[:300]}" if last else ""
    return PartDied(f"{part.name} {end} on its own{words}", part=part.name, log=log)


@contextmanager
def cause_first(parts: Callable[[], Iterable[Mortal]], *, replicas: Sequence[str]) -> Iterator[None]:
    """Where a part does not come up, name the other one that died: a service waits for its database.

    Args:
        parts: those that there are by then.
        replicas: names of the service's replicas, which explain nothing but themselves.

    Raises:
        PartDied: a part that is not under test ended on its own.
    """
    try:
        yield
    except StackError as error:
        for part in parts():
            end = "" if part.name in replicas else part.how_it_ended()
            if end and end not in str(error):
                raise own_death(part, end, replicas=replicas) from error
        raise


class Followed(Protocol):
    """A link, as far as its gate can say that it follows what is said there."""

    def troubles(self) -> tuple[str, ...]: ...


@contextmanager
def gates_word_first(links: Callable[[], Mapping[str, Followed]]) -> Iterator[None]:
    """Where a part does not come up because the gate cannot read what it says, the gate's line is told.

    Args:
        links: those that there are by then.

    Raises:
        StackError: with that line, and the part and log of the one that did not come up.
    """
    try:
        yield
    except StackError as error:
        for name, link in links().items():
            if troubles := link.troubles():
                raise StackError(f"{name}: {troubles[0]}", part=error.part, log=error.log) from error
        raise


@asynccontextmanager
async def staying_whole(stack: Checked) -> AsyncIterator[None]:
    """What is seen in the block counts only if every part lives to its end; a death explains a failure.

    Raises:
        SystemDied: the service ended on its own.
        PartDied: another part did.
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
