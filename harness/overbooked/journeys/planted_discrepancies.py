"""Payments planted for reconciliation to find, with the state right after planting, and which to plant."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from overbooked.capabilities.differences import AGES_S, METHODS, RecordShape
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.reconciliation import Discrepancy, Reconciliation, Wanted
from overbooked.capabilities.webhooks import WEBHOOKS
from overbooked.errors import HarnessError
from overbooked.oracles.repairs import is_for_a_person, parted, repaired
from overbooked.system.system import System
from overbooked.targets.adapter import Money, Slot

# One shape of each kind of difference: the ones that are broken off, and repeated.
EVERY_KIND: Sequence[str] = (
    "unknown charge, checkout expired",
    "unknown charge, lease lapsed, place held",
    "unknown charge, place booked by another",
    "booked, payment captured, only authorised there",
    "booked, payment captured, authorisation lapsed",
    "part refunded there, unknown here",
    "part refunded here, never sent",
    "second charge unknown",
    "capture posted twice",
    "capture not posted",
    "hold of no checkout",
    "charge of less there",
    "refund of less there",
    "ledger capture of less",
)


@dataclass(frozen=True, slots=True)
class PlantedDiscrepancies:
    """Payments that were planted together, each on a separate slot.

    Args:
        system: the system that has them.
        ones: the discrepancies and near misses, in the order of planting.
        before: durable state about them, right after planting.
    """

    system: System
    ones: Sequence[Discrepancy]
    before: DurableState

    @property
    def repairable(self) -> Sequence[Discrepancy]:
        """The discrepancies that the policy repairs."""
        return [one for one in self.ones if one.kind and not is_for_a_person(one)]

    @property
    def for_a_person(self) -> Sequence[Discrepancy]:
        """The discrepancies that are resolved manually."""
        return [one for one in self.ones if one.kind and is_for_a_person(one)]

    @property
    def near_misses(self) -> Sequence[Discrepancy]:
        """The payments in a legitimate state."""
        return [one for one in self.ones if not one.kind]

    async def state(self) -> DurableState:
        """Return the current durable state about them."""
        return await _state(self.system, self.ones)

    def of_each(self, state: DurableState) -> Mapping[str, tuple[DurableState, DurableState]]:
        """Return what a state has about each of them, by subject: right after planting, and in the state."""
        before, after = parted(self.ones, self.before), parted(self.ones, state)
        return {one.subject: (before[one.subject], after[one.subject]) for one in self.ones}

    def models(self) -> DurableState:
        """Return the state of the near misses right after planting: how records are that agree."""
        own = parted(self.near_misses, self.before).values()
        return replace(self.before, ledger=tuple(row for state in own for row in state.ledger))

    async def assert_repaired(self) -> None:
        """Raise GapFound if a discrepancy is not repaired as the policy requires."""
        states = self.of_each(await self.state())
        for one in self.repairable:
            repaired(one, *states[one.subject])

    async def clear(self) -> None:
        """Remove them from both sides, so that later runs find nothing."""
        if self.ones:
            await self.system.reconciliation.clear(self.ones)


async def plant(
    system: System, wanted: Iterable[Wanted | RecordShape | str] = EVERY_KIND
) -> PlantedDiscrepancies:
    """Plant payments, given in full, by their shape or by its name; a name that cannot be planted is left
    out.

    Raises:
        HarnessError: none of the names can be planted.
    """
    ones = await system.reconciliation.plant(list(_wanted(system.reconciliation, wanted)))
    return PlantedDiscrepancies(system, ones, await _state(system, ones))


def _wanted(target: Reconciliation, asked: Iterable[Wanted | RecordShape | str]) -> Iterator[Wanted]:
    known = {shape.name: shape for shape in (*target.shapes, *target.near_misses)}
    names, found = 0, 0
    for one in asked:
        if isinstance(one, Wanted):
            yield one
        elif isinstance(one, RecordShape):
            yield Wanted(one, AGES_S[one.ages[0]], one.methods[0])
        else:
            names += 1
            if one in known:
                found += 1
                yield Wanted(known[one], AGES_S[known[one].ages[0]], known[one].methods[0])
    if names and not found:
        raise HarnessError("the target can plant none of the shapes that are needed")


async def _state(system: System, ones: Sequence[Discrepancy]) -> DurableState:
    checkouts = [str(one.facts["checkout"]) for one in ones if "checkout" in one.facts]
    return await system.state(slots=[slot_of(one) for one in ones], checkouts=checkouts)


def combinations(shapes: Iterable[RecordShape]) -> list[Wanted]:
    """Return each shape with each age and each payment method that it is possible with."""
    return [
        Wanted(shape, AGES_S[age], method)
        for shape in shapes
        for age, method in product(shape.ages, shape.methods)
    ]


def sample(shapes: Sequence[RecordShape], rng: random.Random) -> list[Wanted]:
    """Return each shape at its highest age; and of each kind the lowest age, one between, and every method.

    What is old is what a run that looks at the last records only misses, whichever way it finds them. Which
    shape of a kind gets the other ages, which age is between them, and which shape gets which method differs
    from run to run.
    """
    chosen: list[Wanted] = []
    for own in _by_kind(shapes, rng):
        turn = rng.randrange(len(METHODS))
        every = sorted({one.age_s for one in combinations(own)})
        ages = [every[-1]] * len(own) + every[:1] + rng.sample(every[1:-1], min(1, len(every[1:-1])))
        for n, age_s in enumerate(ages):
            shape = own[n % len(own)]
            by = shape.methods[(turn + n) % len(shape.methods)]
            chosen.append(Wanted(shape, age_s if age_s in _ages_s(shape) else max(_ages_s(shape)), by))
    return chosen


def _ages_s(shape: RecordShape) -> list[float]:
    return [AGES_S[age] for age in shape.ages]


# Indexes in the provider's list of charges and in the service's list of payments, in pages and rows: the
# first, and those around the boundaries of pages. A run that skips a row of the one list misses only what the
# other list lacks.
EDGES = ((0, 0), (1, -1), (1, 0), (2, -1), (2, 0))
ONLY_THERE, ONLY_HERE = "unknown charge, checkout expired", "booked, payment captured, no charge there"
LAST = -1
# What a run finds in the provider's charges, in the service's payments, bookings and holds, each the last.
AT_THE_END = (
    "unknown charge, checkout expired",
    "booked, payment captured, no charge there",
    "booked, no payment, no charge there",
    "hold of no checkout",
    "hold of an expired checkout",
    "capture not posted",
)


def at_edges(target: Reconciliation) -> list[Wanted]:
    """Return differences at the edges of the lists that a run reads, and of the pages of the provider's."""
    known = {shape.name: shape for shape in target.shapes}
    at = [(name, LAST) for name in AT_THE_END]
    if ONLY_THERE in known and ONLY_HERE in known:
        # A payment without a charge has a position of its own: each pair moves the following ones by one.
        for n, (page, row) in enumerate(EDGES):
            position = page * target.page_size + row + n
            at += [(ONLY_THERE, position), (ONLY_HERE, position + 1)]
    return [Wanted(known[name], position=position) for name, position in at if name in known]


def in_turn(wanted: Iterable[Wanted], currencies: Sequence[str], rng: random.Random) -> list[Wanted]:
    """Give the payments of each kind each of some currencies in turn."""
    turns: dict[tuple[str, ...], int] = {}
    given = []
    for one in wanted:
        turn = turns.setdefault(one.shape.kinds, rng.randrange(len(currencies)))
        turns[one.shape.kinds] = turn + 1
        given.append(replace(one, currency=currencies[turn % len(currencies)]))
    return given


def few(shapes: Sequence[RecordShape], rng: random.Random, n: int) -> list[Wanted]:
    """Return at most `n` shapes of each kind, each with some age and payment method."""
    return [rng.choice(combinations([shape])) for own in _by_kind(shapes, rng) for shape in own[:n]]


def _by_kind(shapes: Sequence[RecordShape], rng: random.Random) -> list[list[RecordShape]]:
    """Return the shapes of each kind and repair, in random order."""
    kinds = dict.fromkeys((shape.kinds, shape.repair) for shape in shapes)
    groups = [[shape for shape in shapes if (shape.kinds, shape.repair) == kind] for kind in kinds]
    return [rng.sample(own, len(own)) for own in groups]


async def settle_and_hold(system: System) -> Sequence[tuple[str, str]]:
    """Repair what earlier scenarios left, and hold the provider's events from now on.

    This ensures that later repairs are made by reconciliation.

    Returns:
        The discrepancies that await manual resolution; later runs may name them again.
    """
    await system.jobs.settle()
    if system.offers(WEBHOOKS):
        await system.webhooks.hold_deliveries(True)
    return (await system.reconciliation.reconcile()).differences


def slot_of(one: Discrepancy) -> Slot:
    """Return the slot, with one place, on which a discrepancy was planted."""
    return Slot(str(one.facts["slot"]), 1, Money(int(one.facts["price_minor"])))
