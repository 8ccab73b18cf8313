"""A fault while it is in force: injected on entry, healed on exit, and a receipt whatever happened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from overbooked.catalog.model import Means
from overbooked.errors import HarnessError
from overbooked.verdicts.evidence import Receipt


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of a fault's touch; `bit` says whether it touched anything."""

    messages: int = 0
    bytes: int = 0
    effect: Mapping[str, Any] = field(default_factory=dict)
    bit: bool = False


class Fault(ABC):
    """One fault, an async context manager; `means` is the means of a clause that it is a use of.

    Args:
        what: the fault in words, e.g. `latency 80 ms`.
        subject: the link or process it is done to.
        receive: takes the receipt at the end.
        clock: seconds since the start of the scenario.
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
        """Put the fault in force; raises and leaves nothing behind when it cannot."""

    @abstractmethod
    async def heal(self) -> None:
        """Undo it, as far as it is still there."""

    @abstractmethod
    def observe(self) -> Observed:
        """What it touched, asked once before it is healed and once after (`settled`)."""

    async def settled(self, before: Observed) -> Observed:
        """What it touched once healing has shown what was held back; `before` was seen in force."""
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
            seen = await self.settled(seen)
        except HarnessError as error:
            if raised is None:
                raise
            # What the scenario found weighs more than what we failed to clear away.
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
