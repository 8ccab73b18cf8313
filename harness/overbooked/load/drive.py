"""One load, from an idle system to a verdict: offer, drive, look, judge."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from overbooked.descriptor import Descriptor
from overbooked.errors import GapFound, HarnessError, NotSupported, UsageError
from overbooked.histories import History
from overbooked.load.generator import generate
from overbooked.load.invariants import keeps_its_promises
from overbooked.load.judging import figures, score, summary
from overbooked.load.measurements import Measured
from overbooked.load.plan import Plan, schedule
from overbooked.load.profile import LoadProfile
from overbooked.load.user_actions import NEEDS
from overbooked.stacks.base.allowed_hosts import ensure_allowed
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.adapter import Slot
from overbooked.targets.system import System
from overbooked.verdicts.scorecard import LoadScore
from overbooked.verdicts.verdict import Verdict

# Looks at the durable state afterwards; raises GapFound.
Look: TypeAlias = Callable[[System, Sequence[Slot], History], Awaitable[None]]


async def drive(
    profile: LoadProfile,
    system: System,
    stack: Stack,
    descriptor: Descriptor,
    *,
    seed: int,
    processes: int = 1,
    allow: Sequence[str] = (),
    look: Look = keeps_its_promises,
) -> LoadScore:
    """Put the system under the profile's load, through its links, and judge what came of it.

    Args:
        system: bound to the stack; new people and slots are made, so other work is not disturbed.
        seed: arrivals, who comes and where to follow from it.
        processes: how many generator processes share the arrivals.
        allow: hosts beside loopback that may be burdened (`[stack] allow_hosts`).
        look: judges the durable state afterwards.

    Returns:
        Closed, open (an invariant broken, an objective missed, the system dead), inconclusive (the load
        was invalid), or not covered (the target knows none of the profile's journeys).

    Raises:
        HostNotAllowed: the system is where no load may go.
    """
    started_at = time.monotonic()
    doors = system.client.urls
    for door in doors:
        ensure_allowed(urlsplit(door).hostname or "", allow, purpose="load")
    visits = {
        visit: share
        for visit, share in profile.journeys.items()
        if NEEDS[visit] in system.adapter.capabilities
    }
    if not visits:
        wanted = ", ".join(sorted({NEEDS[visit].value for visit in profile.journeys}))
        return LoadScore(profile.name, Verdict.NOT_COVERED, reason=f"the target offers none of: {wanted}")
    measured, broken = Measured(), None
    try:
        slots = [await system.open_slot(profile.capacity) for _ in range(profile.slots)]
        people = await system.customers(profile.people)
        arrivals = schedule(profile, seed=seed, doors=len(doors), visits=visits)
        plan = Plan.of(
            descriptor,
            profile,
            doors=doors,
            people=[person.customer for person in people],
            slots=slots,
            arrivals=arrivals,
        )
        measured = await generate(plan, processes=processes)
        await stack.check()
        await look(system, slots, measured.history)
    except GapFound as gap:
        broken = gap
    except UsageError:
        raise
    except HarnessError as error:
        verdict = Verdict.NOT_COVERED if isinstance(error, NotSupported) else Verdict.INCONCLUSIVE
        return LoadScore(
            profile.name,
            verdict,
            reason=f"{type(error).__name__}: {error}",
            summary=summary(measured) if measured.intended else "",
            figures=figures(profile, measured) if measured.intended else {},
            duration_s=time.monotonic() - started_at,
        )
    return score(profile, measured, broken=broken, duration_s=time.monotonic() - started_at)
