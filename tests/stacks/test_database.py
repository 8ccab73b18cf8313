"""Roles, passwords and clones on a running PostgreSQL."""

from __future__ import annotations

import asyncpg
import pytest

from overbooked.descriptor import Database
from overbooked.errors import StackError
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.servers.database import Credentials, connection, postgres_probe, scram_verifier


def test_passwords_are_generated_for_every_role_and_quoted_in_urls() -> None:
    database = Database.model_validate({"migrate": ["x"]})
    first, second = Credentials.generated(database), Credentials.generated(database)
    assert set(first.passwords) == {"overbooked", "booking_owner", "booking_app", "booking_observer"}
    assert not set(first.passwords.values()) & set(second.passwords.values())
    odd = Credentials({"a role": "p@ss/word"})
    assert odd.dsn("a role", ("127.0.0.1", 5), "db") == "postgresql://a%20role:p%40ss/word@127.0.0.1:5/db"


def test_a_verifier_holds_no_password_and_differs_every_time() -> None:
    one, two = scram_verifier("secret"), scram_verifier("secret")
    assert one.startswith("SCRAM-SHA-256$256:")
    assert "secret" not in one
    assert one != two


async def test_the_server_takes_a_verifier_in_place_of_the_password(stack: EmbeddedStack) -> None:
    async with connection(stack.dsns["admin"]) as admin:
        await admin.execute(
            f"CREATE ROLE visitor LOGIN PASSWORD '{scram_verifier('open sesame', iterations=7)}'"
        )
    address = stack.dsns["admin"].partition("@")[2]
    async with connection(f"postgresql://visitor:open%20sesame@{address}") as visitor:
        assert await visitor.fetchval("SELECT current_user") == "visitor"
    async with connection(stack.dsns["admin"]) as admin:
        await admin.execute("DROP ROLE visitor")


async def test_a_refusal_is_told_as_ours(stack: EmbeddedStack) -> None:
    with pytest.raises(StackError, match='PostgreSQL refused: relation "nowhere" does not exist'):
        async with connection(stack.dsns["observer"]) as observer:
            await observer.execute("SELECT * FROM nowhere")


async def test_a_connection_that_is_lost_is_told_as_ours(stack: EmbeddedStack) -> None:
    async def lose() -> None:
        async with connection(stack.dsns["observer"]) as observer:
            async with connection(stack.dsns["admin"]) as admin:
                await admin.execute("SELECT pg_terminate_backend($1)", observer.get_server_pid())
            await observer.fetchval("SELECT 1")

    with pytest.raises(StackError, match="PostgreSQL refused"):
        await lose()


async def test_the_probe_says_why_it_is_not_let_in(stack: EmbeddedStack) -> None:
    assert await postgres_probe(lambda: stack.dsns["observer"])() == ""
    wrong = stack.dsns["observer"].replace("observer:", "observer:no")
    assert "password authentication failed" in await postgres_probe(lambda: wrong)()


async def test_nobody_is_let_into_the_template(stack: EmbeddedStack) -> None:
    template = stack.dsns["owner"] + "_template"
    with pytest.raises(asyncpg.PostgresError, match="not currently accepting connections"):
        await asyncpg.connect(template)
