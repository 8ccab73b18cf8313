"""Several faults in force at once, healed at once: two services start again in the time of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType

from overbooked.faults.in_force import Fault


@asynccontextmanager
async def at_once(*faults: Fault) -> AsyncIterator[None]:
    """Inject the faults in order; heal all of them at the same time.

    Raises:
        HarnessError: one could not be injected (those before it are healed) or healed.
    """
    async with AsyncExitStack() as injected:
        for fault in faults:
            await injected.enter_async_context(fault)
        injected.pop_all()  # from here on they are healed by us
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
