"""Direct SQL with the service's own rights: the schema is the guarantee, whatever the code does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from tests.reference_system.house import House
from tests.reference_system.servers import Servers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Connection = psycopg.AsyncConnection[Any]


async def add_booking(sql: Connection, slot: str, customer: str) -> str:
    booking = str(uuid4())
    await sql.execute(
        "INSERT INTO bookings (id, slot_id, customer_id, status, created_at)"
        " VALUES (%s, %s, %s, 'confirmed', %s)",
        (booking, slot, customer, NOW),
    )
    return booking


async def add_hold(sql: Connection, slot: str, customer: str) -> str:
    hold = str(uuid4())
    await sql.execute(
        "INSERT INTO holds (id, slot_id, customer_id, expires_at) VALUES (%s, %s, %s, %s)",
        (hold, slot, customer, NOW + timedelta(minutes=10)),
    )
    return hold


async def add_checkout(sql: Connection, slot: str, customer: str) -> str:
    lock, checkout = str(uuid4()), str(uuid4())
    await sql.execute(
        "INSERT INTO price_locks (id, customer_id, slot_id, amount_minor, currency, expires_at)"
        " VALUES (%s, %s, %s, 1999, 'EUR', %s)",
        (lock, customer, slot, NOW),
    )
    await sql.execute(
        "INSERT INTO checkouts (id, customer_id, slot_id, price_lock_id, state, amount_minor, currency,"
        " created_at, updated_at) VALUES (%s, %s, %s, %s, 'open', 1999, 'EUR', %s, %s)",
        (checkout, customer, slot, lock, NOW, NOW),
    )
    return checkout


async def add_payment(
    sql: Connection, checkout: str, *, state: str = "captured", captured: int = 1999
) -> str:
    payment = str(uuid4())
    await sql.execute(
        "INSERT INTO payments (id, checkout_id, intent_id, state, amount_minor, currency, captured_minor)"
        " VALUES (%s, %s, %s, %s, 1999, 'EUR', %s)",
        (payment, checkout, f"pi_{uuid4().hex}", state, captured),
    )
    return payment


async def add_transaction(sql: Connection, entries: list[tuple[int, str]]) -> str:
    transaction = str(uuid4())
    await sql.execute(
        "INSERT INTO ledger_transactions (id, kind, reference, created_at) VALUES (%s, 'capture', %s, %s)",
        (transaction, transaction, NOW),
    )
    for amount, currency in entries:
        await add_entry(sql, transaction, amount, currency)
    return transaction


async def add_entry(sql: Connection, transaction: str, amount: int, currency: str = "EUR") -> None:
    await sql.execute(
        "INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency)"
        " VALUES (%s, 'x', %s, %s)",
        (transaction, amount, currency),
    )


class TestASlotCannotBeOversold:
    async def test_by_one_booking_more_than_there_are_places(
        self, house: House, app_role: Connection
    ) -> None:
        slot, who = await house.slot(capacity=2), await house.person()
        await add_booking(app_role, slot, who.id)
        await add_booking(app_role, slot, who.id)
        with pytest.raises(errors.CheckViolation, match="slots_taken_within_capacity"):
            await add_booking(app_role, slot, who.id)
        assert await house.places(slot) == (2, 2)

    async def test_by_a_hold_beside_a_booking(self, house: House, app_role: Connection) -> None:
        slot, who = await house.slot(), await house.person()
        await add_booking(app_role, slot, who.id)
        with pytest.raises(errors.CheckViolation, match="slots_taken_within_capacity"):
            await add_hold(app_role, slot, who.id)

    async def test_by_many_connections_at_once(self, house: House, servers: Servers) -> None:
        slot, who = await house.slot(capacity=3), await house.person()

        async def race() -> bool:
            async with await psycopg.AsyncConnection.connect(servers.dsns["app"], autocommit=True) as sql:
                try:
                    await add_booking(sql, slot, who.id)
                except errors.CheckViolation:
                    return False
                return True

        assert sum(await asyncio.gather(*(race() for _ in range(12)))) == 3
        assert await house.places(slot) == (3, 3)

    async def test_by_two_transactions_that_see_the_place_free(self, house: House, servers: Servers) -> None:
        slot, who = await house.slot(), await house.person()
        async with (
            await psycopg.AsyncConnection.connect(servers.dsns["app"]) as first,
            await psycopg.AsyncConnection.connect(servers.dsns["app"]) as second,
        ):
            await add_booking(first, slot, who.id)
            waiting = asyncio.create_task(add_booking(second, slot, who.id))
            await first.commit()
            with pytest.raises(errors.CheckViolation):
                await waiting

    async def test_by_moving_a_booking_into_a_full_slot(self, house: House, app_role: Connection) -> None:
        full, other, who = await house.slot(), await house.slot(), await house.person()
        await add_booking(app_role, full, who.id)
        booking = await add_booking(app_role, other, who.id)
        with pytest.raises(errors.CheckViolation, match="slots_taken_within_capacity"):
            await app_role.execute("UPDATE bookings SET slot_id = %s WHERE id = %s", (full, booking))
        assert await house.places(other) == (1, 1)

    async def test_by_reviving_a_cancelled_booking(self, house: House, app_role: Connection) -> None:
        slot, who = await house.slot(capacity=2), await house.person()
        booking = await add_booking(app_role, slot, who.id)
        await app_role.execute(
            "UPDATE bookings SET status = 'cancelled', cancelled_at = %s WHERE id = %s", (NOW, booking)
        )
        with pytest.raises(errors.CheckViolation, match="a cancelled booking stays cancelled"):
            await app_role.execute(
                "UPDATE bookings SET status = 'confirmed', cancelled_at = NULL WHERE id = %s", (booking,)
            )

    async def test_by_reviving_a_released_hold(self, house: House, app_role: Connection) -> None:
        slot, who = await house.slot(), await house.person()
        hold = await add_hold(app_role, slot, who.id)
        await app_role.execute("UPDATE holds SET released_at = %s WHERE id = %s", (NOW, hold))
        await add_booking(app_role, slot, who.id)
        with pytest.raises(errors.CheckViolation, match="slots_taken_within_capacity"):
            await app_role.execute("UPDATE holds SET released_at = NULL WHERE id = %s", (hold,))

    async def test_by_lowering_the_capacity(self, house: House, app_role: Connection) -> None:
        slot, who = await house.slot(), await house.person()
        await add_booking(app_role, slot, who.id)
        with pytest.raises(errors.CheckViolation, match="slots_taken_within_capacity"):
            await app_role.execute("UPDATE slots SET capacity = 0 WHERE id = %s", (slot,))

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE slots SET taken = 0",
            "INSERT INTO slots (id, taken) SELECT gen_random_uuid(), -1",
            "DELETE FROM bookings",
            "DELETE FROM holds",
            "TRUNCATE bookings, holds CASCADE",
            "ALTER TABLE bookings DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "SELECT move_place(id, NULL) FROM slots",
        ],
    )
    async def test_by_going_round_the_count(self, app_role: Connection, statement: str) -> None:
        with pytest.raises(errors.InsufficientPrivilege):
            await app_role.execute(statement)

    async def test_and_a_cancellation_frees_its_place_once(self, house: House, app_role: Connection) -> None:
        slot, who = await house.slot(capacity=2), await house.person()
        booking = await add_booking(app_role, slot, who.id)
        await add_booking(app_role, slot, who.id)
        for _ in range(2):
            await app_role.execute(
                "UPDATE bookings SET status = 'cancelled', cancelled_at = %s WHERE id = %s", (NOW, booking)
            )
        assert await house.places(slot) == (2, 1)


class TestNothingIsCapturedTwice:
    async def test_by_a_second_payment_of_one_checkout(self, house: House, app_role: Connection) -> None:
        who = await house.person()
        checkout = await add_checkout(app_role, await house.slot(), who.id)
        await add_payment(app_role, checkout)
        with pytest.raises(errors.UniqueViolation, match="payments_captured_once_a_checkout"):
            await add_payment(app_role, checkout)

    async def test_by_capturing_a_captured_payment_again(self, house: House, app_role: Connection) -> None:
        who = await house.person()
        payment = await add_payment(
            app_role, await add_checkout(app_role, await house.slot(), who.id), captured=1000
        )
        with pytest.raises(errors.CheckViolation):
            await app_role.execute("UPDATE payments SET captured_minor = 1999 WHERE id = %s", (payment,))

    async def test_by_setting_a_payment_back(self, house: House, app_role: Connection) -> None:
        who = await house.person()
        payment = await add_payment(app_role, await add_checkout(app_role, await house.slot(), who.id))
        with pytest.raises(errors.CheckViolation):
            await app_role.execute("UPDATE payments SET state = 'authorized' WHERE id = %s", (payment,))

    async def test_by_capturing_more_than_was_agreed(self, house: House, app_role: Connection) -> None:
        who = await house.person()
        checkout = await add_checkout(app_role, await house.slot(), who.id)
        with pytest.raises(errors.CheckViolation, match="payments_amounts_in_order"):
            await add_payment(app_role, checkout, captured=2000)

    async def test_nor_refunded_beyond_the_capture(self, house: House, app_role: Connection) -> None:
        who = await house.person()
        payment = await add_payment(app_role, await add_checkout(app_role, await house.slot(), who.id))
        with pytest.raises(errors.CheckViolation, match="payments_amounts_in_order"):
            await app_role.execute("UPDATE payments SET refunded_minor = 2000 WHERE id = %s", (payment,))

    async def test_by_rewriting_the_amount(self, app_role: Connection) -> None:
        with pytest.raises(errors.InsufficientPrivilege):
            await app_role.execute("UPDATE payments SET amount_minor = 1")

    async def test_nor_posted_twice(self, app_role: Connection) -> None:
        reference = uuid4().hex
        statement = (
            "WITH made AS (INSERT INTO ledger_transactions (id, kind, reference, created_at)"
            " VALUES (gen_random_uuid(), 'capture', %s, %s) RETURNING id)"
            " INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency)"
            " SELECT id, 'x', amount, 'EUR' FROM made, (VALUES (5), (-5)) AS entry (amount)"
        )
        await app_role.execute(statement, (reference, NOW))
        with pytest.raises(errors.UniqueViolation, match="ledger_reference_once"):
            await app_role.execute(statement, (reference, NOW))


class TestTheLedgerCannotBeUnbalanced:
    @pytest.mark.parametrize(
        "entries",
        [
            [],
            [(5, "EUR")],
            [(5, "EUR"), (-4, "EUR")],
            [(5, "EUR"), (-5, "USD")],
            [(5, "EUR"), (-5, "EUR"), (1, "USD")],
        ],
    )
    async def test_by_a_transaction_that_does_not_balance(
        self, servers: Servers, entries: list[tuple[int, str]]
    ) -> None:
        async with await psycopg.AsyncConnection.connect(servers.dsns["app"]) as sql:
            await add_transaction(sql, entries)
            with pytest.raises(errors.CheckViolation, match="does not balance"):
                await sql.commit()

    async def test_by_adding_an_entry_later(self, servers: Servers) -> None:
        async with await psycopg.AsyncConnection.connect(servers.dsns["app"]) as sql:
            transaction = await add_transaction(sql, [(5, "EUR"), (-5, "EUR")])
            await sql.commit()
            await add_entry(sql, transaction, 1)
            with pytest.raises(errors.CheckViolation, match="does not balance"):
                await sql.commit()

    async def test_while_balanced_transactions_are_welcome(self, servers: Servers) -> None:
        async with await psycopg.AsyncConnection.connect(servers.dsns["app"]) as sql:
            await add_transaction(sql, [(5, "EUR"), (-3, "EUR"), (-2, "EUR"), (7, "USD"), (-7, "USD")])
            await sql.commit()

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE ledger_entries SET amount_minor = 0",
            "UPDATE ledger_transactions SET reference = ''",
            "UPDATE audit SET actor = ''",
            "DELETE FROM ledger_entries",
            "DELETE FROM ledger_transactions",
            "DELETE FROM audit",
            "TRUNCATE ledger_entries, ledger_transactions CASCADE",
            "TRUNCATE audit",
        ],
    )
    async def test_by_rewriting_history(self, app_role: Connection, statement: str) -> None:
        with pytest.raises(errors.InsufficientPrivilege):
            await app_role.execute(statement)


async def test_one_resource_never_has_two_slots_at_a_time(house: House) -> None:
    service = await house.service(await house.venue())
    await house.slot(service=service, resource_no=7)
    answer = await house.http.post(
        "/slots",
        json={
            "service_id": service,
            "resource_no": 7,
            "starts_at": "2090-05-01T10:59:00+02:00",
            "ends_at": "2090-05-01T12:00:00+02:00",
            "capacity": 1,
        },
        headers=(await house.operator()).headers,
    )
    assert (answer.status_code, answer.json()["type"]) == (409, "slots-overlap")


async def test_the_observer_reads_everything_and_writes_nothing(servers: Servers) -> None:
    async with await psycopg.AsyncConnection.connect(servers.dsns["observer"], autocommit=True) as sql:
        tables = await (
            await sql.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ).fetchall()
        assert len(tables) > 20
        for (table,) in tables:
            await sql.execute(f"SELECT * FROM {table} LIMIT 1")
            with pytest.raises(errors.InsufficientPrivilege):
                await sql.execute(f"DELETE FROM {table}")
