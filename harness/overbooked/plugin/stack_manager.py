"""The stacks of one worker: acquire one for a scenario, release it, and close it at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from overbooked.errors import StackError, StackUnavailable
from overbooked.plugin.trial_state import TrialState
from overbooked.runs.mutant_receipts import between, read
from overbooked.runs.plan import Variant
from overbooked.stacks.base.protocol import Stack

# Makes a stack of the variant's shape that runs its mutant; not yet started.
StackFactory = Callable[[Variant], Stack | Awaitable[Stack]]

TAIL_LINES = 200  # log lines that are searched for those of the scenario
KEPT_LINES = 60
FUTILE = 2  # failed starts in a row after which the worker gives up


class StackManager:
    """Runs one stack at a time: renewed for a variant of the same shape, replaced for another shape.

    The stack of a mutant is renewed for each repetition as well: state left by one repetition must not
    open a clause in the next, and jobs would resume its unfinished work.

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

    async def acquire(self, state: TrialState, variant: Variant, *, receipt: str = "") -> Stack:
        """Return a running stack for a scenario, and note its versions and log positions.

        Args:
            state: the state of the trial.
            variant: the variant of the trial.
            receipt: the path at which a mutant reports how often its code ran; "": there is none.

        Raises:
            StackError: the stack did not start.
        """
        stack = await self.get(variant, state.trial.repetition)
        state.stack = {
            "id": stack.id,
            "kind": stack.kind,
            "versions": dict(stack.versions),
            "mutant": stack.mutant,
            "replicas": len(stack.replicas),
        }
        if stack.mutant is not None:
            state.receipt_path = receipt
            state.counts = await read(stack, receipt)
        state.log_marks = {name: _last(stack.log_tail(name, 1)) for name in stack.processes}
        return stack

    async def release(self, state: TrialState, stack: Stack) -> None:
        """Keep the logs of a scenario, check its stack for dead parts, and heal it.

        A stack that cannot be healed is closed; the next scenario gets another.

        Raises:
            SystemDied: the system under test ended on its own.
            StackError: another part ended, or could not be restarted.
        """
        state.logs = _logs(state, stack)
        try:
            await stack.check()
            await stack.heal()
            await stack.check()
        except BaseException:
            await self.discard()
            raise
        if state.counts is not None:
            state.receipt = between(state.counts, await read(stack, state.receipt_path))
        if state.timed_out:
            # The system may still be processing the cancelled requests.
            await self.discard()

    async def get(self, variant: Variant, repetition: int = 0) -> Stack:
        """Return a running stack of a variant.

        Args:
            repetition: the repetition of the trial, from 0.

        Raises:
            StackError: the stack did not start.
            StackUnavailable: no stack of this shape started in several attempts.
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
        """Close the running stack; idempotent."""
        stack, self._stack, self._variant = self._stack, None, None
        if stack is not None:
            await stack.close()

    async def _renew(self, stack: Stack, variant: Variant) -> None:
        self._variant = None  # a partly renewed stack belongs to no variant
        try:
            await stack.renew(mutant=variant.mutant)
        except BaseException:
            await self.close()
            raise
        self._variant = variant

    async def _start(self, variant: Variant) -> Stack:
        self._give_up_when_futile(variant)
        made = self._make(variant)
        stack = await made if isinstance(made, Awaitable) else made
        try:
            await stack.start()
        except BaseException as error:
            if isinstance(error, StackError):
                self._failures.append(error)
            await stack.close()
            self._give_up_when_futile(variant)
            raise
        self._started_shapes.add(variant.replicas)
        self._failures.clear()
        self._stack, self._variant = stack, variant
        return stack

    def _give_up_when_futile(self, variant: Variant) -> None:
        if variant.replicas in self._started_shapes or len(self._failures) < FUTILE:
            return
        last = self._failures[-1]
        raise StackUnavailable(str(last), part=last.part, log=last.log) from last


def _logs(state: TrialState, stack: Stack) -> dict[str, list[str]]:
    """Return the last log lines of every process since the scenario began."""
    logs = {}
    for name in stack.processes:
        lines = stack.log_tail(name, TAIL_LINES)
        mark = state.log_marks.get(name)
        if mark in lines:
            lines = lines[len(lines) - lines[::-1].index(mark) :]
        if lines:
            logs[name] = lines[-KEPT_LINES:]
    return logs


def _last(lines: list[str]) -> str | None:
    return lines[-1] if lines else None
