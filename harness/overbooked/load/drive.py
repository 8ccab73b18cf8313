"""Runs one load on an idle system and returns its verdict."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from overbooked.descriptor import Descriptor
from overbooked.errors import GapFound, HarnessError, NotSupported, UsageError
from overbooked.histories import History
from overbooked.load.generator import generate
from overbooked.load.invariants import check_invariants
from overbooked.load.judging import figures, score, summary
from overbooked.load.measurements import Measured
from overbooked.load.plan import LoadPlan, schedule
from overbooked.load.profile import LoadProfile
from overbooked.load.user_actions import NEEDS
from overbooked.stacks.base.allowed_hosts import ensure_allowed
from overbooked.stacks.base.protocol import Stack
from overbooked.system.system import System
from overbooked.targets.adapter import Slot
from overbooked.verdicts.scorecard import LoadScore
from overbooked.verdicts.verdict import Verdict

# Checks the durable state afterwards; raises GapFound.
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
    look: Look = check_invariants,
) -> LoadScore:
    """Run the profile's load through the system's links and judge the result.

    Args:
        system: bound to the stack; the load uses new customers and slots.
        seed: determines arrivals, customers and slots.
        processes: the number of generator processes that share the arrivals.
        allow: hosts besides loopback that may be put under load (`[stack] allow_hosts`).
        look: checks the durable state afterwards.

    Returns:
        Closed, open (an invariant broken, an objective missed, the system dead), inconclusive (the load
        was invalid), or not covered (the target supports none of the profile's journeys).

    Raises:
        HostNotAllowed: the system's host is not on the allow-list.
    """
    started_at = time.monotonic()
    doors = system.client.urls
    for door in doors:
        ensure_allowed(urlsplit(door).hostname or "", allow, purpose="load")
    visits = {visit: share for visit, share in profile.journeys.items() if system.offers(NEEDS[visit])}
    if not visits:
        wanted = ", ".join(sorted({NEEDS[visit].id for visit in profile.journeys}))
        return LoadScore(profile.name, Verdict.NOT_COVERED, reason=f"the target offers none of: {wanted}")
    measured, broken = Measured(), None
    try:
        slots = [await system.open_slot(profile.capacity) for _ in range(profile.slots)]
        people = await system.customers(profile.people)
        arrivals = schedule(profile, seed=seed, doors=len(doors), visits=visits)
        plan = LoadPlan.of(
            descriptor,
            profile,
            doors=doors,
            people=[person.account for person in people],
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
