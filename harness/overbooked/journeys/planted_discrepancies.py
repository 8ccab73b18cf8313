"""What people and bugs leave behind for reconciliation: differences, planted and watched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from overbooked.oracles.repairs import LEFT_TO_A_PERSON, repaired
from overbooked.targets.adapter import DISCREPANCIES, Capability, Discrepancy, DurableState, Money, Slot
from overbooked.targets.system import System

# Some come in several shapes: a place may be free again or still held; a charge, a refund or a posting
# may be of another amount.
EVERY_KIND: Sequence[str] = (
    *DISCREPANCIES,
    "captured there, unknown here",
    "amount differs",
    "amount differs",
)


@dataclass(frozen=True, slots=True)
class Planted:
    """Differences that were planted together, each on a slot of its own.

    Args:
        system: where they are.
        ones: in the order in which they were planted.
        before: durable state about them, right after.
    """

    system: System
    ones: Sequence[Discrepancy]
    before: DurableState

    @property
    def repairable(self) -> Sequence[Discrepancy]:
        """Those that the policy repairs."""
        return [one for one in self.ones if one.kind not in LEFT_TO_A_PERSON]

    @property
    def for_a_person(self) -> Sequence[Discrepancy]:
        """Those that only a person may decide."""
        return [one for one in self.ones if one.kind in LEFT_TO_A_PERSON]

    async def state(self) -> DurableState:
        """Durable state about them now."""
        return await self.system.state(slots=[slot_of(one) for one in self.ones])

    async def are_repaired(self) -> None:
        """All that may be repaired is, as the policy says; GapFound names what is not."""
        after = await self.state()
        for one in self.repairable:
            repaired(one, self.before, after)

    async def mend(self) -> None:
        """What waits for a person is settled: later runs are not to meet it again."""
        for one in self.for_a_person:
            await self.system.mend(one)


async def plant(system: System, kinds: Iterable[str] = EVERY_KIND) -> Planted:
    """One difference of each of these kinds, one after the other."""
    ones = [await system.plant(kind) for kind in kinds]
    before = await system.state(slots=[slot_of(one) for one in ones])
    return Planted(system, ones, before)


async def quiet(system: System) -> Sequence[tuple[str, str]]:
    """Have repaired what was left by others, and keep the provider's events back from now on.

    So whatever is repaired later, reconciliation repaired. Returns what only a person may decide, as
    later runs may name it again.
    """
    await system.settle()
    if Capability.WEBHOOKS in system.adapter.capabilities:
        await system.hold_deliveries()
    return (await system.reconcile()).differences


def slot_of(one: Discrepancy) -> Slot:
    """The slot on which it was planted; it has one place."""
    return Slot(str(one.facts["slot"]), 1, Money(int(one.facts["price_minor"])))
