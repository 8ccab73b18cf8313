"""The gates of a stack's links, as a sweep engages them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from harness.errors import NotSupported
from harness.stacks.protocol import Stack
from harness.wire.boundary import Gatekeeper


@runtime_checkable
class Gated(Protocol):
    """A link with a gate; `harness.wire.link.RelayLink` is one."""

    def gate(self, keeper: Gatekeeper | None) -> None: ...


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
