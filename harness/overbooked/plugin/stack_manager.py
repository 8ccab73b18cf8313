"""Keeps the stacks of one worker: started when first needed, renewed between variants, always closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from overbooked.errors import StackError
from overbooked.runs.plan import Variant
from overbooked.stacks.base.protocol import Stack

# Makes a stack of the variant's shape that runs its mutant; not yet started.
StackFactory = Callable[[Variant], Stack | Awaitable[Stack]]

FUTILE = 2  # starts that may fail in a row before the worker gives up


class NoStack(StackError):
    """No stack of this shape has ever started here, often as it was tried: the run cannot go on."""


class StackKeeper:
    """One stack at a time. A variant of the same shape renews it, one of another replaces it.

    A mutant is renewed for each repetition, too: what it left behind in one must not open a clause in the
    next, and what is left undone is done again by every job that comes by.

    Args:
        make: makes a stack for a variant.
    """

    def __init__(self, make: StackFactory) -> None:
        self._make = make
        self._stack: Stack | None = None
        self._variant: Variant | None = None
        self._repetition = 0
        self._failures: list[StackError] = []
        self._started_shapes: set[int | None] = set()

    async def at(self, variant: Variant, repetition: int = 0) -> Stack:
        """A running stack of that variant.

        Args:
            repetition: which time round it is to be used, from 0.

        Raises:
            StackError: it did not start.
            NoStack: it did not start again and again, and never has.
        """
        if self._stack is not None and self._variant is not None:
            again = variant.mutant is not None and repetition != self._repetition
            if self._variant.name == variant.name and not again:
                return self._stack
            if self._variant.replicas == variant.replicas:
                await self._renew(self._stack, variant)
                self._repetition = repetition
                return self._stack
        await self.close()
        started = await self._start(variant)
        self._repetition = repetition
        return started

    async def discard(self) -> None:
        """Close a stack that can no longer be trusted; the next scenario gets a new one."""
        await self.close()

    async def close(self) -> None:
        """Close whatever runs; safe to repeat."""
        stack, self._stack, self._variant = self._stack, None, None
        if stack is not None:
            await stack.close()

    async def _renew(self, stack: Stack, variant: Variant) -> None:
        self._variant = None  # half renewed is neither the one nor the other
        try:
            await stack.renew(mutant=variant.mutant)
        except BaseException:
            await self.close()
            raise
        self._variant = variant

    async def _start(self, variant: Variant) -> Stack:
        self._despair(variant)
        made = self._make(variant)
        stack = await made if isinstance(made, Awaitable) else made
        try:
            await stack.start()
        except BaseException as error:
            if isinstance(error, StackError):
                self._failures.append(error)
            await stack.close()
            self._despair(variant)
            raise
        self._started_shapes.add(variant.replicas)
        self._failures.clear()
        self._stack, self._variant = stack, variant
        return stack

    def _despair(self, variant: Variant) -> None:
        if variant.replicas in self._started_shapes or len(self._failures) < FUTILE:
            return
        last = self._failures[-1]
        raise NoStack(str(last), part=last.part, log=last.log) from last
