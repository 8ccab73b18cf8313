"""Parses and formats addresses as Go does, with the same error texts."""

from __future__ import annotations

import asyncio
import os
import socket

from overbooked.toxiproxy.server.errors import cannot_listen

# Go uses the system's maximum; the kernel lowers a larger value.
_BACKLOG = 4096


def split(address: str) -> tuple[str, str]:
    """Split an address into host and port; an IPv6 host is in brackets.

    Raises:
        ValueError: the address is malformed; the message is Go's.
    """
    if not address:
        return "", "0"
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        raise ValueError(f"address {address}: missing port in address")
    if host.startswith("["):
        if not host.endswith("]"):
            raise ValueError(f"address {address}: missing ']' in address")
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"address {address}: too many colons in address")
    return host, port


def join(host: str, port: int) -> str:
    """Format an address as Go does."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(text: str) -> int:
    if not text:
        return 0
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    if text.isdecimal():
        raise ValueError(f"address {text}: invalid port")
    try:
        return socket.getservbyname(text, "tcp")
    except OSError as error:
        raise ValueError(f"lookup tcp/{text}: unknown port") from error


async def resolve(address: str) -> str:
    """Resolve the host and port of an address to numbers; IPv4 is preferred.

    Raises:
        ApiError: the address cannot be resolved (status 500, as in the original).
    """
    try:
        host, port = split(address)
        number = _port(port)
    except ValueError as error:
        raise cannot_listen(str(error)) from error
    return join(await _numeric(host), number) if host else f":{number}"


async def _numeric(host: str) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise cannot_listen(f"lookup {host}: no such host") from error
    best = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return str(best[4][0])


async def listen(address: str) -> socket.socket:
    """Open a listening socket; no host means all interfaces, port 0 a free port.

    Raises:
        ApiError: the address cannot be listened on (status 500, as in the original).
    """
    try:
        host, text = split(address)
        port = _port(text)
        numeric = await _numeric(host) if host else ""
    except ValueError as error:
        raise cannot_listen(f"listen tcp: {error}") from error
    dual = not numeric and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual or ":" in numeric else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((numeric or ("::" if dual else "0.0.0.0"), port))  # noqa: S104 - as requested through the API
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        why = os.strerror(error.errno or 0).lower()
        raise cannot_listen(f"listen tcp {join(numeric, port)}: bind: {why}") from error
    sock.setblocking(False)
    return sock


def listening_at(sock: socket.socket) -> str:
    """The address of a listening socket."""
    name = sock.getsockname()
    return join(str(name[0]), int(name[1]))
