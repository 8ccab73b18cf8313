"""Builds the explorer of one scenario from its stack."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from overbooked.bursts.burst_races import MakeExplore, Replayed
from overbooked.config import Settings
from overbooked.errors import NotSupported
from overbooked.fault_points.gates import require_store
from overbooked.faults.allowed_hosts import HostPolicy
from overbooked.interleavings.allowance import Ask, endless
from overbooked.interleavings.evidence import lanes_and_recording
from overbooked.interleavings.explorer import Explorer
from overbooked.interleavings.footprinter import Footprinter
from overbooked.interleavings.reporting import FixedSchedule
from overbooked.interleavings.scheduler.runner import ScheduleRunner, ThreadedLink
from overbooked.interleavings.strategies.pct import DEPTH
from overbooked.interleavings.strategies.sampling import SCHEDULES, Sampling
from overbooked.profiles.budget import Budget
from overbooked.runs.exploration_options import ExplorationObserver, ExplorationOptions
from overbooked.stacks.base.protocol import Stack
from overbooked.system.system import System
from overbooked.targets.endpoint import endpoint_of
from overbooked.traces.made_names import MadeNames
from overbooked.verdicts.judge import Judge


def make_explorer(
    stack: Stack,
    system: System,
    judge: Judge,
    budget: Budget,
    *,
    settings: Settings,
    seed: int = 0,
    orders: ExplorationOptions | None = None,
    watcher: ExplorationObserver | None = None,
    ask: Ask = endless,
) -> Explorer:
    """Return the explorer of the `explorer` fixture.

    Args:
        seed: the scenario's seed.
        orders: restricts the exploration.
        watcher: observes the exploration; required if the user chooses the schedule.
        ask: requests more time for the scenario.

    Raises:
        HostNotAllowed: the service's host is neither local nor in the allow-list.
        NotSupported: the stack's links have no gate, or none leads to the store of the bookings.
    """
    require_store(stack)
    for url in system.client.urls:
        HostPolicy(stack, settings.stack.allow_hosts).burst(endpoint_of(url).host)
    ungated = [name for name, link in stack.links.items() if not hasattr(link, "gate")]
    if ungated or not stack.links:
        raise NotSupported(f"the order of messages cannot be chosen on {', '.join(ungated) or 'no link'}")
    links = {name: cast("ThreadedLink", link) for name, link in stack.links.items()}
    # The administrator may also lower deadlock_timeout; an observer can only query locks.
    dsn = stack.dsns.get("admin") or stack.dsns.get("observer")
    footprinting = Footprinter(stack.dsns.get("observer") or dsn)
    splits = footprinting.splits if orders is None or orders.orders_commits else None
    stage = ScheduleRunner(
        system,
        links,
        dsn,
        harmless=footprinting.harmless,
        splits=splits,
        within_a_block=footprinting.within_a_block,
        begins_apart=orders is None or orders.orders_begins,
    )
    sampling = None
    if orders is not None and orders.strategy:
        sampling = Sampling(orders.strategy, orders.schedules or SCHEDULES, seed, orders.depth or DEPTH)
    elif orders is not None and orders.schedules is not None:
        budget = replace(budget, schedules=orders.schedules)
    if orders is not None and orders.preemptions is not None:
        bound = orders.preemptions
        budget = replace(budget, preemptions_two=bound, preemptions_three=bound)
    return Explorer(
        system,
        judge,
        budget,
        stage,
        footprinting,
        seed=seed,
        shard=orders.shard if orders is not None else (1, 1),
        tell=lanes_and_recording(settings.bundles.redact),
        script=_script(orders, watcher),
        watch=watcher.ran if watcher is not None else None,
        ask=ask,
        made=MadeNames(stack.dsns.get("observer") or dsn),
        sampling=sampling,
    )


def after_bursts(
    stack: Stack,
    system: System,
    judge: Judge,
    budget: Budget,
    *,
    settings: Settings,
    seed: int,
    orders: ExplorationOptions | None,
    watcher: ExplorationObserver | None,
) -> tuple[MakeExplore, Replayed | None]:
    """Build the explorer for the race of a burst with a finding, and the replay of its schedules.

    Raises:
        NotSupported: a schedule must be replayed, but the stack's links have no gate.
    """

    def follow(aside: Judge) -> Explorer:
        return make_explorer(stack, system, aside, budget, settings=settings, seed=seed)

    if orders is None or not orders.one:
        return follow, None
    explore = make_explorer(
        stack, system, judge, budget, settings=settings, seed=seed, orders=orders, watcher=watcher
    )
    return follow, Replayed(orders.clause or judge.clauses[0], orders.race, explore)


def _script(orders: ExplorationOptions | None, watcher: ExplorationObserver | None) -> FixedSchedule | None:
    if orders is None or not orders.one:
        return None
    walk = watcher.choose if orders.step and watcher is not None else None
    return FixedSchedule(orders.schedule or (), orders.race, walk=walk)
