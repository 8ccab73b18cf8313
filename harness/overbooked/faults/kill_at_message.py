"""Kill a process at the n-th message of a piece of work, and count the messages of a piece of work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

from overbooked.faults.faults import Faults
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.errors import TargetError

# The time limit for the kill after its message was sent, in seconds.
STRUCK_WITHIN_S = 10.0

Work = Callable[[], Awaitable[object]]


async def kill_at_message(faults: Faults, link: str, nth: int, work: Work, *, process: str = "app") -> None:
    """Kill a process with SIGKILL just before its n-th message on a link is forwarded; restart it afterwards.

    The work is repeated until the message is sent, because the number of messages varies between runs.

    Raises:
        DeadlineExceeded: the process was not killed in time.
    """
    async with faults.at_message(link, nth, kill=process) as kill:
        with suppress(TargetError):  # the kill may fail the work; `struck` raises if there was no kill
            while not kill.fired:
                await work()
        await kill.struck(STRUCK_WITHIN_S)


async def count_messages(stack: Stack, links: Iterable[str], work: Work) -> Mapping[str, int]:
    """Run a piece of work and return how many messages it sends over each link."""
    before = {link: stack.links[link].traffic() for link in links}
    await work()
    return {link: stack.links[link].traffic().since(was).messages for link, was in before.items()}
