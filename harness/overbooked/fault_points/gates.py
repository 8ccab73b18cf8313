"""The gates of a stack's links, as a sweep engages them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from overbooked.errors import NotSupported
from overbooked.stacks.base.protocol import Stack
from overbooked.wire.gate.boundary import Gatekeeper


@runtime_checkable
class Gated(Protocol):
    """A link with a gate; `overbooked.wire.link.RelayLink` is one."""

    def gate(self, keeper: Gatekeeper | None) -> None: ...


def require_store(stack: Stack) -> None:
    """Refuse to explore or sweep a system whose bookings are kept where no link leads.

    What is ordered or failed there would be everything but the statements that matter.

    Raises:
        NotSupported: the clause is not covered on this system.
    """
    if any(getattr(link, "keeps_bookings", True) for link in stack.links.values()):
        return
    there = ", ".join(sorted(stack.links)) or "none"
    advice = (
        "where it keeps them in a PostgreSQL, lead it through us and declare [external.links] 'app->postgres'"
        if stack.kind == "external"
        else "where it keeps them in PostgreSQL or Redis, describe [database], or [redis] with store = true"
    )
    raise NotSupported(
        f"needs a link to the store of the system's bookings, and its links are: {there}; {advice}"
    )


def gated(stack: Stack, names: Sequence[str]) -> list[Gated]:
    """The links of these names that the stack has, each with its gate.

    Raises:
        NotSupported: one has no gate.
    """
    links: list[Gated] = []
    for name in names:
        link = stack.links.get(name)
        if link is None:
            continue
        if not isinstance(link, Gated):
            raise NotSupported(f"the link {name} has no gate, so nothing on it can be failed")
        links.append(link)
    return links
