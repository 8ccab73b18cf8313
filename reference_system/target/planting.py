"""Differences between the provider's records and the service's, one of each kind, made by force."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from overbooked.targets.adapter import DISCREPANCIES, Discrepancy
from overbooked.targets.errors import TargetFailed
from reference_system.target import forgeries as sql
from reference_system.target.purchases import PRICE, Begun, Purchase, Purchases

DAY_S = 86_400.0
HOUR_S = 3_600.0


class Planting(Purchases):
    """`plant` of Capability.RECONCILIATION."""

    def __init__(self) -> None:
        super().__init__()
        self._place_is_held = False
        self._amount_shapes = itertools.cycle(("charge", "refund", "ledger"))

    async def plant(self, kind: str) -> Discrepancy:
        """Make the records disagree in one way; nothing else about the purchase is out of order.

        "captured there, unknown here" comes in two shapes, in turns: the place is free again, or
        still held; "amount differs" in three. Planting what was refunded there leaves the provider's
        deliveries held.

        Raises:
            ValueError: no such kind.
        """
        plant = {
            "captured there, unknown here": self._captured_there,
            "captured there, unknown here, place taken": self._captured_there_too_late,
            "booked here, not captured there": self._not_captured_there,
            "booked here, authorisation lapsed": self._lapsed_there,
            "refunded there only": self._refunded_there,
            "refunded here only": self._refunded_here,
            "amount differs": self._another_amount,
            "captured twice there": self._captured_twice,
            "recorded twice here": self._recorded_twice,
            "ledger pair missing": self._not_in_ledger,
            "hold orphaned": self._orphan_hold,
        }.get(kind)
        if plant is None:
            raise ValueError(f"a discrepancy is one of {', '.join(DISCREPANCIES)}, not {kind!r}")
        subject, facts = await plant()
        return Discrepancy(kind, subject, facts)

    # -- money the service does not know of ----------------------------------------------------

    async def _captured_there(self) -> _Planted:
        held = self._place_is_held = not self._place_is_held
        begun = await self._begins()
        if held:
            async with self._forging() as database:
                await database.execute(sql.LEAVE_PAYING, UUID(begun.checkout), self._at(self._now() - HOUR_S))
        else:
            await self._given_up(begun)
        charge = await self._fabricated(begun.checkout)
        return begun.checkout, {**_of(begun), "charge": charge, "place": "held" if held else "free"}

    async def _captured_there_too_late(self) -> _Planted:
        begun = await self._begins()
        await self._given_up(begun)
        await self._app.call("POST", "/bookings", {"slot_id": begun.slot.id}, token=begun.token)
        charge = await self._fabricated(begun.checkout)
        return begun.checkout, {**_of(begun), "charge": charge, "place": "taken"}

    async def _captured_twice(self) -> _Planted:
        bought = await self._buys()
        surplus = await self._fabricated(bought.checkout)
        return bought.checkout, {**_of(bought), "surplus": surplus}

    # -- money the provider does not have ------------------------------------------------------

    async def _not_captured_there(self) -> _Planted:
        return await self._uncaptured(self._now() + 6 * DAY_S)

    async def _lapsed_there(self) -> _Planted:
        return await self._uncaptured(self._now() - HOUR_S)

    async def _uncaptured(self, authorized_until: float) -> _Planted:
        bought = await self._buys()
        await self._patched(
            bought.charge,
            status="requires_capture",
            amount_captured="0.00",
            captures=0,
            authorized_until=authorized_until,
        )
        return bought.checkout, _of(bought)

    # -- refunds and amounts -------------------------------------------------------------------

    async def _refunded_there(self) -> _Planted:
        bought = await self._buys()
        await self._provider.call("POST", "/_control/deliveries", {"mode": "held"})
        part = PRICE.minor * 2 // 5
        await self._provider.call(
            "POST", f"/_control/intents/{bought.charge}/refund", {"amount": _major(part)}
        )
        return bought.checkout, {**_of(bought), "refunded_minor": part}

    async def _refunded_here(self) -> _Planted:
        # Less than half: whoever sends it twice is not stopped by what is left of the charge.
        bought, part = await self._buys(), PRICE.minor * 2 // 5
        await self._recorded_refund(bought, part)
        return bought.checkout, {**_of(bought), "refunded_minor": part}

    async def _recorded_refund(self, bought: Purchase, minor: int) -> UUID:
        refund = uuid4()
        async with self._forging() as database:
            payment = await _payment(database, bought.charge)
            await database.execute(sql.REFUND_DONE, refund, payment, minor, self._at(self._now()))
            await database.execute(sql.PAYMENT_REFUNDED, payment, minor)
            await self._post(database, "refund", str(refund), payment, -minor)
        return refund

    async def _another_amount(self) -> _Planted:
        """Of the charge, of a refund, or of the capture in the ledger, in turns."""
        bought, shape = await self._buys(), next(self._amount_shapes)
        here, there = PRICE.minor, PRICE.minor + 100
        if shape == "charge":
            await self._patched(bought.charge, amount=_major(there), amount_captured=_major(there))
        elif shape == "refund":
            here, there = here * 2 // 5, here * 2 // 5 - 100
            refund = await self._recorded_refund(bought, here)
            await self._refunded_for(bought.charge, refund, there)
        else:
            async with self._forging() as database:
                payment = await _payment(database, bought.charge)
                await database.execute(sql.POSTED_AS, payment, "capture", there)
        return bought.checkout, {**_of(bought), "shape": shape, "here_minor": here, "there_minor": there}

    async def mend(self, one: Discrepancy) -> None:
        """The charge is set right there, a refund here, the ledger to what both sides say.

        Raises:
            ValueError: it is nothing that reconciliation leaves to a person.
        """
        if one.kind != "amount differs":
            raise ValueError(f"{one.kind!r} is mended by reconciliation")
        here, there, charge = one.facts["here_minor"], one.facts["there_minor"], str(one.facts["charge"])
        async with self._forging() as database:
            payment = await _payment(database, charge)
            if one.facts["shape"] == "charge":
                await self._patched(charge, amount=_major(here), amount_captured=_major(here))
            elif one.facts["shape"] == "refund":
                await database.execute(sql.REFUNDED_AS, payment, there)
                await database.execute(sql.PAYMENT_REFUNDED, payment, there)
                await database.execute(sql.POSTED_AS, payment, "refund", there)
            else:
                await database.execute(sql.POSTED_AS, payment, "capture", here)
            await database.execute(sql.SETTLED_BY_HAND, one.subject, self._at(self._now()))

    # -- the service's own books ---------------------------------------------------------------

    async def _recorded_twice(self) -> _Planted:
        bought = await self._buys()
        async with self._forging() as database:
            payment = await _payment(database, bought.charge)
            await self._post(database, "capture", f"{bought.charge}#again", payment, PRICE.minor)
        return bought.checkout, _of(bought)

    async def _not_in_ledger(self) -> _Planted:
        bought = await self._buys()
        async with self._forging() as database:
            payment = await _payment(database, bought.charge)
            await database.execute(sql.UNPOST_ENTRIES, payment)
            await database.execute(sql.UNPOST, payment)
        return bought.checkout, _of(bought)

    async def _orphan_hold(self) -> _Planted:
        bought = await self._buys()  # its customer and a slot of the same venue
        slot = await self.open_slot(capacity=1, price=PRICE)
        hold = uuid4()
        async with self._forging() as database:
            customer = await database.fetchval(
                "SELECT customer_id FROM checkouts WHERE id = $1", UUID(bought.checkout)
            )
            await database.execute(
                sql.ORPHAN_HOLD, hold, UUID(slot.id), customer, self._at(self._now() - HOUR_S)
            )
            await database.execute(sql.TAKE_PLACE, UUID(slot.id))
        return str(hold), {"slot": slot.id, "price_minor": PRICE.minor, "hold": str(hold)}

    # -- tools ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def _forging(self) -> AsyncIterator[asyncpg.Connection]:
        """A transaction without triggers, as a bug in a migration or a hand in the database makes."""
        async with self._forger.transaction() as database:
            await database.execute("SET LOCAL session_replication_role = replica")
            yield database

    async def _given_up(self, begun: Begun) -> None:
        async with self._forging() as database:
            await database.execute(sql.GIVE_UP, UUID(begun.checkout))
            await database.execute(sql.RELEASE_HOLD, UUID(begun.checkout), self._at(self._now()))
            await database.execute(sql.FREE_PLACE, UUID(begun.slot.id))

    async def _post(
        self, database: asyncpg.Connection, kind: str, reference: str, payment: UUID, minor: int
    ) -> None:
        posted = uuid4()
        await database.execute(sql.POST, posted, kind, reference, payment, self._at(self._now()))
        await database.execute(sql.POST_LIKE_CAPTURE, posted, minor, payment)

    async def _fabricated(self, checkout: str) -> str:
        """A captured charge at the provider of which no event tells."""
        made = await self._provider.call(
            "POST",
            "/_control/intents",
            {
                "amount": _major(PRICE.minor),
                "currency": PRICE.currency,
                "metadata": {"checkout_id": checkout},
            },
        )
        return str(made["id"])

    async def _refunded_for(self, charge: str, refund: UUID, minor: int) -> None:
        """The provider carries out a refund of the service's, of which no event tells yet."""
        await self._provider.call("POST", "/_control/deliveries", {"mode": "held"})
        await self._provider.call(
            "POST",
            f"/_control/intents/{charge}/refund",
            {"amount": _major(minor), "metadata": {"refund_id": str(refund)}},
        )

    async def _patched(self, charge: str, **values: Any) -> None:
        await self._provider.call("PATCH", f"/_control/intents/{charge}", values)

    def _at(self, moment: float) -> datetime:
        return datetime.fromtimestamp(moment, UTC)


_Planted = tuple[str, Mapping[str, Any]]


async def _payment(database: asyncpg.Connection, charge: str) -> UUID:
    row = await database.fetchrow(sql.PAYMENT_OF_CHARGE, charge)
    if row is None:
        raise TargetFailed(f"the service has no payment for the charge {charge} it was just paid by")
    payment: UUID = row["id"]
    return payment


def _of(made: Begun | Purchase) -> dict[str, Any]:
    facts = {"checkout": made.checkout, "slot": made.slot.id, "price_minor": PRICE.minor}
    if isinstance(made, Purchase):
        facts |= {"booking": made.booking, "charge": made.charge}
    return facts


def _major(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
