"""A keeper that orders commits and ends of sessions, for live tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from overbooked.wire.gate.boundary import Boundary
from overbooked.wire.link import RelayLink
from tests.wire.sansio import Keeper
from tests.wire.watching_keeper import Choice, Watching


@dataclass
class Ordering(Watching):
    """Takes the commit of every statement apart that `parts` says; lets all go unless told otherwise."""

    parts: Callable[[Boundary], bool] = lambda _: True
    holds_ends: bool = True

    def holds_commit_of(self, boundary: Boundary) -> bool:
        return self.parts(boundary)

    def ends_no_transaction(self, boundary: Boundary) -> bool:
        return "quietly" in boundary.text


@dataclass
class OrderingKeeper(Keeper):
    """The same without a server; decides nothing by itself."""

    holds_ends: bool = True

    def holds_commit_of(self, boundary: Boundary) -> bool:
        return True

    def ends_no_transaction(self, boundary: Boundary) -> bool:
        return False


def order(link: RelayLink, **how: Choice) -> Ordering:
    """Such a keeper at this link's gate."""
    keeper = Ordering(**how)  # type: ignore[arg-type]
    link.gate(keeper)
    return keeper
