"""What somebody who works with a stack by hand wants to know, for `overbooked up` to print."""

from __future__ import annotations

from overbooked.stacks.base.protocol import Stack


def card(stack: Stack) -> list[tuple[str, str]]:
    """Label and value, in the order they are read: the way in, direct URLs, DSNs, Toxiproxy, links."""
    rows = [("client->app", stack.client_url)]
    rows += [(f"{name} (direct)", address) for name, address in stack.urls.items()]
    rows += [(f"database as {role}", dsn) for role, dsn in stack.dsns.items()]
    if stack.toxiproxy_url:
        rows.append(("Toxiproxy", stack.toxiproxy_url))
    for name, link in stack.links.items():
        host, port = link.address
        rows.append((f"link {name}", f"{host}:{port}  (proxy {link.toxiproxy})"))
    return rows
