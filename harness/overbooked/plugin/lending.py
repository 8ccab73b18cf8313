"""A stack on loan to a scenario: what it was when lent, whether it came back whole."""

from __future__ import annotations

from overbooked.plugin.stack_manager import StackKeeper
from overbooked.plugin.trial_state import Sitting
from overbooked.runs.mutant_receipts import between, read
from overbooked.runs.plan import Variant
from overbooked.stacks.base.protocol import Stack

TAIL_LINES = 200
KEPT_LINES = 60


async def lend(sitting: Sitting, keeper: StackKeeper, variant: Variant, *, receipt: str = "") -> Stack:
    """A running stack of the variant; the book keeps what it is made of.

    Args:
        receipt: the path at which a mutant says what of it has run; "": there is none.

    Raises:
        StackError: it did not start.
    """
    stack = await keeper.at(variant, sitting.trial.repetition)
    sitting.stack = {
        "id": stack.id,
        "kind": stack.kind,
        "versions": dict(stack.versions),
        "mutant": stack.mutant,
        "replicas": len(stack.replicas),
    }
    if stack.mutant is not None:
        sitting.receipt_path = receipt
        sitting.counts = await read(stack, receipt)
    sitting.log_marks = {name: _last(stack.log_tail(name, 1)) for name in stack.processes}
    return stack


async def take_back(sitting: Sitting, keeper: StackKeeper, stack: Stack) -> None:
    """Keep the logs, look whether a part died on its own, and heal.

    A stack that cannot be healed is closed; the next scenario gets another.

    Raises:
        SystemDied: the system under test ended on its own.
        StackError: another part did, or could not be brought back.
    """
    sitting.logs = _logs(sitting, stack)
    try:
        await stack.check()
        await stack.heal()
        await stack.check()
    except BaseException:
        await keeper.discard()
        raise
    if sitting.counts is not None:
        sitting.receipt = between(sitting.counts, await read(stack, sitting.receipt_path))
    if sitting.timed_out:
        # What was cancelled half way may still be at work inside.
        await keeper.discard()


def _logs(sitting: Sitting, stack: Stack) -> dict[str, list[str]]:
    """The last lines of every process, from when the scenario began."""
    logs = {}
    for name in stack.processes:
        lines = stack.log_tail(name, TAIL_LINES)
        mark = sitting.log_marks.get(name)
        if mark in lines:
            lines = lines[len(lines) - lines[::-1].index(mark) :]
        if lines:
            logs[name] = lines[-KEPT_LINES:]
    return logs


def _last(lines: list[str]) -> str | None:
    return lines[-1] if lines else None
