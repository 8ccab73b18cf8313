"""Values of a descriptor's placeholders in a running stack."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from overbooked.descriptor import Database, Descriptor
from overbooked.stacks.base.links import Address
from overbooked.stacks.servers.database import Credentials

LOOPBACK = "127.0.0.1"


def url(address: Address) -> str:
    return f"http://{address[0]}:{address[1]}"


def link_values(
    descriptor: Descriptor,
    links: Mapping[str, Address],
    credentials: Credentials | None,
    redis_password: str,
) -> dict[str, object]:
    """The placeholder values that every service may use: URLs that lead through links.

    Args:
        links: the address of each link, as the services reach it.
    """
    values: dict[str, object] = {"python": sys.executable}
    if descriptor.database and credentials:
        database = descriptor.database
        values["database_url"] = credentials.dsn(database.app, links["app->postgres"], database.name)
    if "app->redis" in links:
        host, port = links["app->redis"]
        values["redis_url"] = f"redis://:{redis_password}@{host}:{port}/0"
    if "app->payments" in links:
        values["payments_url"] = url(links["app->payments"])
    if "payments->app" in links:
        values["app_url"] = url(links["payments->app"])
    return values


def direct_dsns(
    database: Database, credentials: Credentials, address: Address, superuser: str
) -> dict[str, str]:
    """Direct database URLs by role: owner, app, observer and admin (the superuser)."""
    roles = {
        "owner": database.owner,
        "app": database.app,
        "observer": database.observer,
        "admin": superuser,
    }
    return {name: credentials.dsn(role, address, database.name) for name, role in roles.items()}
