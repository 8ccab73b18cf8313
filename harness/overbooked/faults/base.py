"""Faults as context managers: injected on entry, healed on exit, with a receipt in every case.

`at_once` heals several faults concurrently, so that two services restart in the time of one.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from overbooked.catalog.model import Means
from overbooked.errors import HarnessError
from overbooked.verdicts.evidence import Receipt


@dataclass(frozen=True, slots=True)
class FaultObservation:
    """The observed effects of a fault; `bit` is true if it had any effect."""

    messages: int = 0
    bytes: int = 0
    effect: Mapping[str, Any] = field(default_factory=dict)
    bit: bool = False


class Fault(ABC):
    """One fault, an async context manager; `means` is the catalog's means that it provides.

    Args:
        what: a description of the fault, e.g. `latency 80 ms`.
        subject: the name of the affected link or process.
        receive: called with the receipt after the fault has been healed.
        clock: returns seconds since the start of the scenario.
    """

    means: Means = Means.TOXICS

    def __init__(
        self, what: str, subject: str, receive: Callable[[Receipt], None], clock: Callable[[], float]
    ) -> None:
        self.what = what
        self.subject = subject
        self.receipt: Receipt | None = None
        self._receive = receive
        self._clock = clock
        self._started_s = 0.0

    @abstractmethod
    async def inject(self) -> None:
        """Inject the fault; if the injection fails, raise and leave no part of it active."""

    @abstractmethod
    async def heal(self) -> None:
        """Undo the parts of the fault that are still active."""

    @abstractmethod
    def observe(self) -> FaultObservation:
        """Return the effects so far; called before the fault is healed."""

    async def settle(self, before: FaultObservation) -> FaultObservation:
        """Return the final effects, after healing has released delayed data.

        Args:
            before: the result of `observe` while the fault was active.
        """
        return before

    async def __aenter__(self) -> Self:
        await self.inject()
        self._started_s = self._clock()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, raised: BaseException | None, __: TracebackType | None
    ) -> None:
        ended_s = self._clock()
        seen = self.observe()
        try:
            await self.heal()
            seen = await self.settle(seen)
        except HarnessError as error:
            if raised is None:
                raise
            # The scenario's own error is raised; the failed healing is added to it as a note.
            raised.add_note(f"afterwards {self.what} on {self.subject} could not be healed: {error}")
        finally:
            self.receipt = Receipt(
                fault=self.what,
                subject=self.subject,
                started_s=self._started_s,
                ended_s=ended_s,
                messages=seen.messages,
                bytes=seen.bytes,
                effect=dict(seen.effect),
                bit=seen.bit,
                means=self.means.value,
            )
            self._receive(self.receipt)


@asynccontextmanager
async def at_once(*faults: Fault) -> AsyncIterator[None]:
    """Inject the faults in order and heal all of them concurrently.

    Raises:
        HarnessError: a fault could not be injected (earlier ones are healed), or not be healed.
    """
    async with AsyncExitStack() as injected:
        for fault in faults:
            await injected.enter_async_context(fault)
        injected.pop_all()  # healed together below
    raised: BaseException | None = None
    try:
        yield
    except BaseException as error:
        raised = error
        raise
    finally:
        await _heal(faults, raised)


async def _heal(faults: tuple[Fault, ...], raised: BaseException | None) -> None:
    where: TracebackType | None = raised.__traceback__ if raised is not None else None
    kind = type(raised) if raised is not None else None
    healed = await asyncio.gather(
        *(fault.__aexit__(kind, raised, where) for fault in reversed(faults)), return_exceptions=True
    )
    for failure in healed:
        if isinstance(failure, BaseException):
            raise failure
