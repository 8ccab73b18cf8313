"""Plants records that differ between provider and service, and records that look as if they did."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from overbooked.capabilities.differences import NEAR_MISSES, SHAPES, RecordShape
from overbooked.capabilities.reconciliation import Discrepancy, Wanted
from overbooked.targets.adapter import Money
from reference_system.target import planting_sql as sql
from reference_system.target import sale_rows
from reference_system.target.connections import Connections
from reference_system.target.planted_differences import Make
from reference_system.target.planted_near_misses import NEAR_MAKERS
from reference_system.target.planted_shapes import MAKERS
from reference_system.target.sale import PRICE_MINOR, Sale
from reference_system.target.sessions import CustomerSessions
from reference_system.target.slots import Slots

PRICE = Money(PRICE_MINOR)
# The service reads the provider's charges, and its own payments, in pages of this size.
PAGE_SIZE = 500
# Milliseconds of the epoch have fewer digits until the year 2286.
MS_DIGITS = 13
LAST = -1
# How ids begin that are the first or the last of all.
EDGES = {0: "00000000", LAST: "ffffffff"}


@asynccontextmanager
async def without_triggers(connections: Connections) -> AsyncIterator[asyncpg.Connection]:
    """Run a transaction in which no trigger fires, as after a faulty migration or an edit by hand."""
    async with connections.admin.transaction() as database:
        await database.execute("SET LOCAL session_replication_role = replica")
        yield database


class Planting:
    """Plants shapes of records, and removes them again."""

    shapes: Sequence[RecordShape] = tuple(shape for shape in SHAPES if shape.name in MAKERS)
    near_misses: Sequence[RecordShape] = tuple(shape for shape in NEAR_MISSES if shape.name in NEAR_MAKERS)
    currencies: Sequence[str] = ("EUR", "JPY", "KWD")
    page_size = PAGE_SIZE

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._slots = Slots(connections)
        self._sessions = CustomerSessions(connections)
        self._buyers: tuple[UUID, UUID] | None = None
        self._service: UUID | None = None

    async def plant(self, wanted: Sequence[Wanted]) -> Sequence[Discrepancy]:
        """Write the records of some sales to both sides, by a few statements.

        Raises:
            ValueError: there is no such shape.
        """
        sales = await self._sales(wanted)
        await self._ready()
        assert self._service is not None
        async with without_triggers(self._connections) as database:
            await sale_rows.write(database, sales, service=self._service)
        await self._connections.payments.call("POST", "/_control/records", sale_rows.there(sales))
        return [_planted(one, sale) for one, sale in zip(wanted, sales, strict=True)]

    async def clear(self, planted: Sequence[Discrepancy]) -> None:
        """Delete the rows and charges of what was planted, and resolve the dead letters about it."""
        slots = [UUID(str(one.facts["slot"])) for one in planted]
        subjects = [name for one in planted for name in (one.subject, *one.facts.get("refunds", ()))]
        async with without_triggers(self._connections) as database:
            checkouts = await sale_rows.remove(database, slots, subjects, at=self._connections.moment())
        known = [str(one.facts["checkout"]) for one in planted if "checkout" in one.facts]
        asked = {"checkout_ids": [*checkouts, *known]}
        journal = await self._connections.payments.call("POST", "/_control/journal", asked)
        charges = [charge["id"] for charge in journal["charges"]]
        charges += [charge for one in planted for charge in one.facts.get("charges", ())]
        await self._connections.payments.call("POST", "/_control/records", {"remove": charges})

    async def _sales(self, wanted: Sequence[Wanted]) -> list[Sale]:
        buyer, other = await self._customers()
        now = self._connections.moment()
        ids = await self._positions(wanted)
        sales = []
        for one, id_ in zip(wanted, ids, strict=True):
            currency = one.currency or self.currencies[0]
            edge = EDGES.get(one.position, "") if one.position is not None else ""
            sale = Sale(buyer, other, now, one.age_s, one.method, currency, id_, edge)
            _maker(one.shape)(sale)
            sales.append(sale)
        return sales

    async def _positions(self, wanted: Sequence[Wanted]) -> list[str]:
        """Return the id of the charge of each wanted sale, "" for any, and add payments between them.

        Ids of later calls come first in the provider's list, so that what was planted earlier moves nothing.
        """
        numbers = {n: one.position for n, one in enumerate(wanted) if one.position is not None}
        placed = sorted((at, n) for n, at in numbers.items() if at != LAST)
        ms = int(self._connections.now() * 1000)
        prefix = f"00{10**MS_DIGITS - 1 - ms:0{MS_DIGITS}d}"
        ids = ["" if one.position is None else f"pi_zz{ms}{n:06d}" for n, one in enumerate(wanted)]
        for before, (at, n) in enumerate(placed):
            between = at - before
            ids[n] = f"pi_{prefix}{between - 1:08d}x{before:04d}" if between else f"pi_{prefix}-{before:04d}"
        if placed:
            await self.add_matching(placed[-1][0] + 2 - len(placed), prefix)
        return ids

    async def add_matching(self, n: int, prefix: str = "") -> None:
        """Add `n` paid bookings whose charges' ids begin with a prefix, by a few statements on each side."""
        prefix = prefix or f"b{secrets.token_hex(4)}"
        buyer, _ = await self._customers()
        slot = UUID((await self._slots.open_slot(capacity=n, price=PRICE)).id)
        now, price = self._connections.moment(), PRICE.minor
        async with without_triggers(self._connections) as database:
            await database.execute(sql.AGREED_LOCKS, prefix, buyer, slot, price, now, n)
            await database.execute(sql.AGREED_CHECKOUTS, prefix, buyer, slot, price, now, n)
            await database.execute(sql.AGREED_HOLDS, prefix, buyer, slot, now, n)
            await database.execute(sql.AGREED_BOOKINGS, prefix, buyer, slot, now, n)
            await database.execute(sql.AGREED_PAYMENTS, prefix, price, n)
            await database.execute(sql.AGREED_POSTS, prefix, now, n)
            await database.execute(sql.AGREED_ENTRIES, prefix, price, n)
            await database.execute(sql.FILL_SLOT, slot, n)
        await self._connections.payments.call(
            "POST", "/_control/bulk", {"prefix": prefix, "count": n, "amount": f"{price / 100:.2f}"}
        )

    async def _customers(self) -> tuple[UUID, UUID]:
        """Return the buyer and another customer, registered on first use."""
        if self._buyers is None:
            mark = secrets.token_hex(6)
            buyer, other = await self._sessions.customers(
                [("Noor Buyer", f"noor.{mark}@example.com"), ("Omar Other", f"omar.{mark}@example.com")]
            )
            self._buyers = UUID(buyer.id), UUID(other.id)
        return self._buyers

    async def _ready(self) -> None:
        """Have a service whose slots are sold."""
        if self._service is None:
            slot = await self._slots.open_slot(capacity=1, price=PRICE)
            async with self._connections.observer.transaction(readonly=True) as database:
                self._service = await database.fetchval(sql.SERVICE_OF_SLOT, UUID(slot.id))


def _maker(shape: RecordShape) -> Make:
    made = MAKERS.get(shape.name) or NEAR_MAKERS.get(shape.name)
    if made is None:
        raise ValueError(f"no shape that can be planted is {shape.name!r}")
    return made


def _planted(wanted: Wanted, sale: Sale) -> Discrepancy:
    shape = wanted.shape
    facts: Mapping[str, object] = {
        "slot": str(sale.moved_to or sale.slot),
        "price_minor": PRICE_MINOR,
        "customer": str(sale.customer),
        **({"checkout": str(sale.checkout)} if sale.has_checkout else {}),
        **({"charges": [charge.id for charge in sale.charges]} if not sale.has_checkout else {}),
        "refunds": [str(refund.id) for refund in sale.refunds],
        "age_s": wanted.age_s,
        "method": wanted.method,
        **sale.facts,
    }
    return Discrepancy(
        shape.kind, sale.subject or str(sale.checkout), facts, shape.name, shape.kinds, shape.repair
    )
