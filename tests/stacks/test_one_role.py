"""A system with one database role; grants and settings of the database itself outlive the clone."""

from __future__ import annotations

import json

import pytest

from overbooked.errors import ConfigError
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.servers.database import connection
from tests.stacks.conftest import system

ONE_ROLE = {
    "owner": "booking",
    "app": "booking",
    "observer": "booking",
    "migrate": ["{python}", "-c", "print('nothing to migrate')"],
}

# Grants of a migration that has its database's name from settings, and of one that queries it.
GRANTS = """
import os, psycopg
with psycopg.connect(os.environ["OWNER_URL"]) as db:
    name = db.execute("SELECT current_database()").fetchone()[0]
    db.execute("GRANT CREATE ON DATABASE booking TO booking_app")
    db.execute("REVOKE TEMPORARY ON DATABASE " + name + " FROM PUBLIC")
    db.execute("ALTER DATABASE " + name + " SET search_path = shop, public")
    db.execute("ALTER DATABASE booking SET timezone = 'Asia/Tokyo'")
"""


async def test_owner_app_and_observer_may_be_one_role(settings: StackSettings) -> None:
    described = system(database=ONE_ROLE)
    async with EmbeddedStack(described, settings.model_copy(update={"replicas": 1})) as stack:
        assert stack.dsns["owner"] == stack.dsns["app"] == stack.dsns["observer"]
        async with connection(stack.dsns["app"]) as db:
            assert await db.fetchval("SELECT current_user") == "booking"
            await db.execute("CREATE TABLE shows (id int)")
        await stack.renew(mutant=None)
        async with connection(stack.dsns["owner"]) as db:
            assert await db.fetchval("SELECT to_regclass('shows')") is None


async def test_what_migrations_grant_and_set_on_the_database_itself_holds_at_run_time(
    settings: StackSettings,
) -> None:
    database = {"migrate": ["{python}", "-c", GRANTS], "migrate_env": {"OWNER_URL": "{owner_url}"}}
    described = system(database=database)
    async with EmbeddedStack(described, settings.model_copy(update={"replicas": 1})) as stack:
        for renewed in (False, True):
            if renewed:
                await stack.renew(mutant=None)
            async with connection(stack.dsns["app"]) as db:
                found = await db.fetchrow(
                    "SELECT has_database_privilege('booking', 'CREATE') AS may_create, "
                    "has_database_privilege('booking', 'TEMPORARY') AS may_have_temporary, "
                    "current_setting('search_path') AS path, current_setting('timezone') AS zone"
                )
            assert json.loads(json.dumps(dict(found))) == {
                "may_create": True,
                "may_have_temporary": False,
                "path": "shop, public",
                "zone": "Asia/Tokyo",
            }


def test_the_harnesss_own_role_cannot_be_the_systems() -> None:
    with pytest.raises((ConfigError, ValueError), match="the harness's own superuser; name another"):
        system(database={"migrate": ["true"], "app": "overbooked"})
