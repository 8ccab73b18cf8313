"""Durable state: all data that outlives the processes, as rows by record kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass, replace
from functools import cache
from typing import Any, Protocol, Self, TypeVar

from overbooked.capabilities import RecordKind, declare
from overbooked.capabilities.booking import BookingRow
from overbooked.capabilities.checkout import ChargeRow, HoldRow, LedgerTransaction, PaymentRow
from overbooked.capabilities.webhooks import DeadLetter
from overbooked.targets.errors import TargetError

R = TypeVar("R")

# A field with this metadata holds records that the system may delete; all other records must stay.
REMOVABLE: Mapping[str, bool] = {"removable": True}


@dataclass(frozen=True, slots=True)
class DurableState:
    """All data that outlives the processes, possibly restricted to some slots or checkouts.

    Each field is a record kind: a tuple of rows. A capability with further kinds declares them
    (`records=`), and `DurableState.of` adds the fields. Oracles that compare whole states iterate `kinds`.
    """

    bookings: tuple[BookingRow, ...] = ()
    holds: tuple[HoldRow, ...] = field(default=(), metadata=REMOVABLE)
    charges: tuple[ChargeRow, ...] = ()
    payments: tuple[PaymentRow, ...] = ()
    ledger: tuple[LedgerTransaction, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = field(default=(), metadata=REMOVABLE)

    @staticmethod
    def of(rows: Mapping[RecordKind[Any], Iterable[Any]]) -> DurableState:
        """Return a state with these rows by record kind; a field is added for each kind without one."""
        further = tuple(kind for kind in rows if kind.name not in _OWN_KINDS)
        made = _with_kinds(further) if further else DurableState
        return made(**{kind.name: tuple(found) for kind, found in rows.items()})

    def rows(self, kind: RecordKind[R]) -> tuple[R, ...]:
        """Return the rows of one record kind.

        Raises:
            TargetError: this state has no such kind.
        """
        if kind.name not in self.kinds():
            raise TargetError(
                f"the durable state has no record kind {kind.name!r}; it has {', '.join(self.kinds())}. "
                "Have the adapter return it: DurableState.of({kind: rows, ...})"
            )
        return tuple(getattr(self, kind.name))

    def kinds(self) -> Mapping[str, tuple[Any, ...]]:
        """Return the rows of every record kind by its name, in order of declaration."""
        return {kind.name: tuple(getattr(self, kind.name)) for kind in fields(self)}

    def lasting(self) -> frozenset[str]:
        """The kinds whose records are never removed."""
        return frozenset(kind.name for kind in fields(self) if not kind.metadata.get("removable"))

    def only(self, belongs: Callable[[Any], bool]) -> Self:
        """Return the state with only the rows for which `belongs` is true."""
        return replace(
            self, **{kind: tuple(row for row in rows if belongs(row)) for kind, rows in self.kinds().items()}
        )

    def by_slots(self, owners: Mapping[str, str]) -> Self:
        """Return the state with each product's name replaced by the id of its slot (`owners`)."""
        if not owners:
            return self

        def owned(row: Any) -> Any:
            return replace(row, slot=owners.get(row.slot, row.slot)) if hasattr(row, "slot") else row

        return replace(self, **{kind: tuple(map(owned, rows)) for kind, rows in self.kinds().items()})


_OWN_KINDS = frozenset(kind.name for kind in fields(DurableState))


@cache
def _with_kinds(kinds: tuple[RecordKind[Any], ...]) -> type[DurableState]:
    return make_dataclass(
        "DurableState",
        [
            (kind.name, tuple, field(default=(), metadata=REMOVABLE if kind.removable else {}))
            for kind in kinds
        ],
        bases=(DurableState,),
        frozen=True,
        slots=True,
    )


class DurableRecords(Protocol):
    """Read the durable state."""

    async def state(
        self, *, slots: Sequence[str] | None = None, checkouts: Sequence[str] | None = None
    ) -> DurableState:
        """Return the contents of database and provider journal, restricted if asked; one snapshot each."""


DURABLE_STATE = declare("durable state", DurableRecords)
