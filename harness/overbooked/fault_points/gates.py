"""Access to the gates of a stack's links, for explorations and sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from overbooked.errors import NotSupported
from overbooked.part_names import accept_name
from overbooked.stacks.base.protocol import Stack
from overbooked.wire.gate.boundary import Gatekeeper


@runtime_checkable
class Gated(Protocol):
    """A link with a gate; `overbooked.wire.link.RelayLink` is one."""

    def gate(self, keeper: Gatekeeper | None) -> None: ...


def require_store(stack: Stack) -> None:
    """Refuse to explore or sweep a system if no link leads to the store of its bookings.

    Without one, the relevant statements can be neither ordered nor failed.


    Raises:
        NotSupported: the clause is not covered on this system.
    """
    if any(getattr(link, "keeps_bookings", True) for link in stack.links.values()):
        return
    there = ", ".join(sorted(stack.links)) or "none"
    advice = (
        "if it keeps them in PostgreSQL, route it through the relay; declare [external.links] 'app->postgres'"
        if stack.kind == "external"
        else "if it keeps them in PostgreSQL or Redis, describe [database], or [redis] with store = true"
    )
    raise NotSupported(
        f"needs a link to the store of the system's bookings, and its links are: {there}; {advice}"
    )


def gated(stack: Stack, names: Sequence[str]) -> list[Gated]:
    """Return the links of the stack with these names; a name that it does not have is skipped.

    Raises:
        NotSupported: one of the links has no gate.
    """
    links: list[Gated] = []
    for name in names:
        link = stack.links.get(accept_name(name, "the links of a sweep"))
        if link is None:
            continue
        if not isinstance(link, Gated):
            raise NotSupported(f"the link {name} has no gate, so nothing on it can be failed")
        links.append(link)
    return links
