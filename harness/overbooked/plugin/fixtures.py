"""Fixtures for races and for common preconditions of scenarios.

The plugin imports this module in every pytest session of the environment, so it imports nothing of the
package until a fixture is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from overbooked.plugin.session_state import manager_of

if TYPE_CHECKING:
    from overbooked.bursts.bursts import Bursts
    from overbooked.faults.faults import Faults
    from overbooked.interleavings.explorer import Explorer
    from overbooked.profiles import Budget
    from overbooked.stacks.base.protocol import Stack
    from overbooked.system.customer import Customer
    from overbooked.system.system import System
    from overbooked.verdicts.judge import Judge


@pytest_asyncio.fixture(loop_scope="session")
async def explorer(
    request: pytest.FixtureRequest, stack: Stack, system: System, judge: Judge, budget: Budget, seed: int
) -> AsyncIterator[Explorer]:
    """Explores races statement by statement: every schedule within a bound of preemptions."""
    from overbooked.plugin.explorer_factory import make_explorer  # noqa: PLC0415
    from overbooked.runs.exploration_options import WATCHER  # noqa: PLC0415

    manager = manager_of(request.config)
    explorer = make_explorer(
        stack,
        system,
        judge,
        budget,
        settings=manager.settings,
        seed=seed,
        orders=manager.plan.orders,
        watcher=request.config.pluginmanager.get_plugin(WATCHER),
        ask=manager.more_time(request.node),
    )
    try:
        yield explorer
    finally:
        await explorer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def bursts(
    request: pytest.FixtureRequest, stack: Stack, system: System, judge: Judge, budget: Budget, seed: int
) -> AsyncIterator[Bursts]:
    """Plays races in bursts: many requests whose last bytes are sent at the same moment."""
    from overbooked.bursts.bursts import Bursts  # noqa: PLC0415
    from overbooked.faults.allowed_hosts import HostPolicy  # noqa: PLC0415
    from overbooked.plugin.explorer_factory import after_bursts  # noqa: PLC0415
    from overbooked.runs.exploration_options import WATCHER  # noqa: PLC0415

    manager = manager_of(request.config)
    service = manager.descriptor.service("app")
    follow, script = after_bursts(
        stack,
        system,
        judge,
        budget,
        settings=manager.settings,
        seed=seed,
        orders=manager.plan.orders,
        watcher=request.config.pluginmanager.get_plugin(WATCHER),
    )
    bursts = Bursts(
        system,
        judge,
        budget=budget,
        guard=HostPolicy(stack, manager.settings.stack.allow_hosts).burst,
        warm_path=service.health if service else "/",
        patience=manager.patience,
        explore=follow,
        script=script,
        logs=lambda: {name: stack.log_tail(name) for name in stack.replicas},
    )
    try:
        yield bursts
    finally:
        await bursts.close()
        if script is not None:
            await script.explore.close()


@pytest_asyncio.fixture(loop_scope="session")
async def ana(system: System) -> Customer:
    """One customer, registered and logged in."""
    (customer,) = await system.customers(1)
    return customer


@pytest_asyncio.fixture(loop_scope="session")
async def held_deliveries(system: System) -> None:
    """The provider delivers no webhook by itself; the scenario triggers each delivery."""
    await system.webhooks.hold_deliveries(True)


@pytest_asyncio.fixture(loop_scope="session")
async def slow_statements(faults: Faults) -> AsyncIterator[None]:
    """Statements take longer, which widens the window between a check and the write after it."""
    async with faults.widened("app->postgres", ms=2, jitter_ms=2):
        yield
