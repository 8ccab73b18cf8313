"""The explorer of one scenario, put together from its stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from harness.errors import NotSupported
from harness.explore.exploring import Explore
from harness.explore.footprinting import Footprinting
from harness.explore.stage import Stage, ThreadedLink
from harness.explore.volleys import door_of
from harness.faults.allow import Aim
from harness.profiles.budget import Budget
from harness.stacks.protocol import Stack
from harness.targets.system import System
from harness.verdicts.judge import Judge


def explorer(stack: Stack, system: System, judge: Judge, budget: Budget, *, allow: Sequence[str]) -> Explore:
    """What the `explore` fixture gives.

    Raises:
        HostNotAllowed: the service is neither local nor allowed.
        NotSupported: the stack's links have no gate.
    """
    for url in system.client.urls:
        Aim(stack, allow).burst(door_of(url).host)
    ungated = [name for name, link in stack.links.items() if not hasattr(link, "gate")]
    if ungated or not stack.links:
        raise NotSupported(f"the order of messages cannot be chosen on {', '.join(ungated) or 'no link'}")
    links = {name: cast("ThreadedLink", link) for name, link in stack.links.items()}
    # The administrator may also have deadlocks found at once; an observer can only ask.
    dsn = stack.dsns.get("admin") or stack.dsns.get("observer")
    footprinting = Footprinting(stack.dsns.get("observer") or dsn)
    stage = Stage(system, links, dsn, harmless=footprinting.harmless)
    return Explore(system, judge, budget, stage, footprinting)
