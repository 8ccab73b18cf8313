"""The explorer of one scenario, put together from its stack."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from overbooked.bursts.burst_races import MakeExplore, Replayed
from overbooked.bursts.last_byte_sync import door_of
from overbooked.config import Settings
from overbooked.errors import NotSupported
from overbooked.fault_points.gates import require_store
from overbooked.faults.allowed_hosts import Aim
from overbooked.interleavings.allowance import Ask, endless
from overbooked.interleavings.evidence import telling
from overbooked.interleavings.explorer import Explore
from overbooked.interleavings.footprinter import Footprinting
from overbooked.interleavings.reporting import Script
from overbooked.interleavings.scheduler.runner import Stage, ThreadedLink
from overbooked.profiles.budget import Budget
from overbooked.runs.exploration_options import Orders, Watcher
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.system import System
from overbooked.traces.made_names import MadeNames
from overbooked.verdicts.judge import Judge


def explorer(
    stack: Stack,
    system: System,
    judge: Judge,
    budget: Budget,
    *,
    settings: Settings,
    seed: int = 0,
    orders: Orders | None = None,
    watcher: Watcher | None = None,
    ask: Ask = endless,
) -> Explore:
    """What the `explore` fixture gives.

    Args:
        seed: the scenario's.
        orders: explore only this.
        watcher: follows it; it must be there where a person chooses.
        ask: for more of the scenario's time.

    Raises:
        HostNotAllowed: the service is neither local nor allowed.
        NotSupported: the stack's links have no gate, or none leads to the store of the bookings.
    """
    require_store(stack)
    for url in system.client.urls:
        Aim(stack, settings.stack.allow_hosts).burst(door_of(url).host)
    ungated = [name for name, link in stack.links.items() if not hasattr(link, "gate")]
    if ungated or not stack.links:
        raise NotSupported(f"the order of messages cannot be chosen on {', '.join(ungated) or 'no link'}")
    links = {name: cast("ThreadedLink", link) for name, link in stack.links.items()}
    # The administrator may also have deadlocks found at once; an observer can only ask.
    dsn = stack.dsns.get("admin") or stack.dsns.get("observer")
    footprinting = Footprinting(stack.dsns.get("observer") or dsn)
    splits = footprinting.splits if orders is None or orders.orders_commits else None
    stage = Stage(
        system,
        links,
        dsn,
        harmless=footprinting.harmless,
        splits=splits,
        within_a_block=footprinting.within_a_block,
    )
    if orders is not None and orders.preemptions is not None:
        bound = orders.preemptions
        budget = replace(budget, preemptions_two=bound, preemptions_three=bound)
    return Explore(
        system,
        judge,
        budget,
        stage,
        footprinting,
        seed=seed,
        shard=orders.shard if orders is not None else (1, 1),
        tell=telling(settings.bundles.redact),
        script=_script(orders, watcher),
        watch=watcher.ran if watcher is not None else None,
        ask=ask,
        made=MadeNames(stack.dsns.get("observer") or dsn),
    )


def after_bursts(
    stack: Stack,
    system: System,
    judge: Judge,
    budget: Budget,
    *,
    settings: Settings,
    seed: int,
    orders: Orders | None,
    watcher: Watcher | None,
) -> tuple[MakeExplore, Replayed | None]:
    """What explores the race of a burst that has found something, and what runs such a schedule again.

    Raises:
        NotSupported: a schedule is to be run again, and the stack's links have no gate.
    """

    def follow(aside: Judge) -> Explore:
        return explorer(stack, system, aside, budget, settings=settings, seed=seed)

    if orders is None or not orders.one:
        return follow, None
    explore = explorer(
        stack, system, judge, budget, settings=settings, seed=seed, orders=orders, watcher=watcher
    )
    return follow, Replayed(judge, orders.clause or judge.clauses[0], orders.race, explore)


def _script(orders: Orders | None, watcher: Watcher | None) -> Script | None:
    if orders is None or not orders.one:
        return None
    walk = watcher.choose if orders.step and watcher is not None else None
    return Script(orders.schedule or (), orders.race, walk=walk)
