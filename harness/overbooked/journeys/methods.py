"""The methods of payment that a target offers, and what arrives after a payment was answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from overbooked.capabilities import implementation
from overbooked.capabilities.checkout import CHECKOUT, STANDARD_METHODS, Settlement
from overbooked.capabilities.webhooks import WEBHOOKS
from overbooked.concurrency import run_limited
from overbooked.system.system import System
from overbooked.targets.errors import TargetError


def payment_methods(system: System) -> Mapping[str, Settlement]:
    """Return each method of payment of the target with its settlement, those that settle at once first.

    A method that settles later is left out where the target has no webhooks to report it.
    """
    offered: Mapping[str, Settlement] = getattr(
        implementation(system.adapter, CHECKOUT), "methods", STANDARD_METHODS
    )
    order = list(Settlement)
    found = {
        name: settlement
        for name, settlement in offered.items()
        if settlement is not Settlement.LATER or system.offers(WEBHOOKS)
    }
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[1])))


async def transfers_arrive(system: System, checkouts: Iterable[str]) -> None:
    """Make the provider capture the pending payments of these checkouts, where it has one."""
    asked = list(checkouts)
    known = {charge.checkout for charge in (await system.state(checkouts=asked)).charges} if asked else set()

    async def arrives(checkout: str) -> None:
        with suppress(TargetError):  # it is captured already
            await system.webhooks.provider_pays(checkout)

    await run_limited([arrives(checkout) for checkout in asked if checkout in known])


async def events_arrive(system: System, checkouts: Iterable[str]) -> int:
    """Make the provider deliver every event of these checkouts' charges that was not acknowledged, once.

    Returns:
        The number of deliveries.
    """
    asked = list(checkouts)
    charges = [charge.id for charge in (await system.state(checkouts=asked)).charges] if asked else []
    waiting = [event for event in await system.webhooks.events(charges) if not event.acknowledged]
    for event in waiting:
        with suppress(TargetError):  # the provider tries again later
            await system.webhooks.redeliver(event)
    return len(waiting)
