"""Checks of effects: each happens exactly once, and records never go backwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from overbooked.capabilities.booking import BookingRow
from overbooked.capabilities.checkout import PAYMENT_STATES, PaymentRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.side_effects import ANNOUNCEMENTS, CHECKOUT_STATES
from overbooked.errors import GapFound, HarnessError
from overbooked.oracles.ledger import in_force

_RANK: Mapping[str, int] = {state: rank for rank, state in enumerate(PAYMENT_STATES)}


def exactly_once(effects: Iterable[str], wanted: Iterable[str], what: str = "effect") -> None:
    """Each expected effect happened once, and no other did."""
    seen, expected = Counter(effects), set(wanted)
    wrong = {name: seen[name] for name in sorted(expected | set(seen)) if seen[name] != (name in expected)}
    if wrong:
        raise GapFound(
            f"an {what} did not happen exactly once",
            expected=f"each of {len(expected)} once, no other",
            observed=", ".join(f"{name}: {times} times" for name, times in wrong.items()),
        )


def provider_and_records_agree(state: DurableState) -> None:
    """The service's records match the amounts that the provider captured and refunded.

    For each charge, the amounts equal those of its payments, and the ledger has each posted once. This finds
    an event that took effect never or twice. A charge that was never captured needs no payment.
    """
    for charge in state.charges:
        payments = [row for row in state.payments if row.charge == charge.id]
        effects = {
            "captured": sum(row.captured_minor for row in payments),
            "refunded": sum(row.refunded_minor for row in payments),
            "captured, in the ledger": _posted(state, charge.id, "capture"),
            "refunded, in the ledger": _posted(state, charge.id, "refund"),
        }
        wanted = {
            "captured": charge.captured_minor,
            "refunded": charge.refunded_minor,
            "captured, in the ledger": charge.captured_minor,
            "refunded, in the ledger": charge.refunded_minor,
        }
        for name, amount in effects.items():
            if amount != wanted[name]:
                raise GapFound(
                    "the provider's events did not take effect exactly once",
                    expected=f"{name}: {wanted[name]} for charge {charge.id}",
                    observed=f"{amount}",
                    operations=[_payment(row) for row in payments],
                )


def never_backwards(states: Sequence[DurableState]) -> None:
    """Records never go backwards from one state to the next.

    A payment's state stays or advances (PAYMENT_STATES), its amounts never decrease, and a cancelled booking
    stays cancelled, a checkout that has ended stays ended. A record of a permanent kind
    (`DurableState.lasting`) is never deleted.
    """
    for before, after in pairwise(states):
        _payments_go_on(before, after)
        _bookings_go_on(before, after)
        _checkouts_go_on(before, after)
        _lasting_records_stay(before, after)


def nothing_changed(before: DurableState, after: DurableState) -> None:
    """Both states have the same rows of every kind."""
    was_of, now_of = before.kinds(), after.kinds()
    for kind in dict.fromkeys([*was_of, *now_of]):
        gone, new = _differing(was_of.get(kind, ()), now_of.get(kind, ()))
        if gone or new:
            raise GapFound(
                f"{kind.replace('_', ' ')} changed although nothing may change",
                expected="the same as before",
                observed=f"{len(new)} new or changed, {len(gone)} deleted or changed",
                operations=[f"was {row}" for row in sorted(gone, key=str)[:5]]
                + [f"is {row}" for row in sorted(new, key=str)[:5]],
            )


def _differing(was: Sequence[Any], now: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the multiset differences: the rows only in `was`, and the rows only in `now`.

    Rows are compared by equality, because they need not be hashable.
    """
    gone, new = list(was), []
    for row in now:
        if row in gone:
            gone.remove(row)
        else:
            new.append(row)
    return gone, new


def _lasting_records_stay(before: DurableState, after: DurableState) -> None:
    now_of = after.kinds()
    for kind, rows in before.kinds().items():
        if kind not in before.lasting():
            continue
        there = {_identity(row) for row in now_of.get(kind, ())}
        gone = [row for row in rows if _identity(row) not in there]
        if gone:
            raise GapFound(
                f"a permanent record was deleted ({kind.replace('_', ' ')})",
                expected=f"{gone[0]}",
                observed="deleted",
            )


def _identity(row: object) -> object:
    return getattr(row, "id", None) or repr(row)


def _posted(state: DurableState, charge: str, kind: str) -> int:
    return sum(entry.amount_minor for entry in in_force(state, kind) if entry.charge == charge)


def _payments_go_on(before: DurableState, after: DurableState) -> None:
    now = {row.id: row for row in after.payments}
    for was in before.payments:
        row = now.get(was.id)
        if row is None or _falls(was, row):
            raise GapFound(
                "a payment went backwards",
                expected=f"{_payment(was)}, or a later state",
                observed="deleted" if row is None else _payment(row),
            )


def _falls(was: PaymentRow, row: PaymentRow) -> bool:
    written_off = row.state == "voided" and row.captured_minor == 0
    return (
        _rank(row) < _rank(was)
        or (row.captured_minor < was.captured_minor and not written_off)
        or row.refunded_minor < was.refunded_minor
    )


def _rank(row: PaymentRow) -> int:
    if row.state not in _RANK:
        raise HarnessError(
            f"payment {row.id} is {row.state!r}, which is not one of {', '.join(_RANK)}: "
            "the adapter must translate its system's states"
        )
    return _RANK[row.state]


def _bookings_go_on(before: DurableState, after: DurableState) -> None:
    now: dict[str, BookingRow] = {row.id: row for row in after.bookings}
    for was in before.bookings:
        row = now.get(was.id)
        if row is None or (was.status == "cancelled" and row.status != "cancelled"):
            raise GapFound(
                "a booking went backwards",
                expected=f"booking {was.id} {was.status}, or a later state",
                observed="deleted" if row is None else row.status,
            )


def _checkouts_go_on(before: DurableState, after: DurableState) -> None:
    now = {row.id: row for row in after.kinds().get(CHECKOUT_STATES.name, ())}
    for was in before.kinds().get(CHECKOUT_STATES.name, ()):
        row = now.get(was.id)
        if was.ended and row is not None and not row.ended:
            raise GapFound(
                "a checkout went backwards",
                expected=f"checkout {was.id} {was.state}, or another end",
                observed=row.state,
            )


def announced_once(state: DurableState) -> None:
    """Each subject was announced at most once under each topic."""
    rows = state.kinds().get(ANNOUNCEMENTS.name, ())
    told = Counter(f"{row.topic} {row.subject}" for row in rows)
    exactly_once(told.elements(), told, "announcement")


def _payment(row: PaymentRow) -> str:
    return (
        f"payment {row.id} of charge {row.charge}: {row.state}, captured {row.captured_minor}, "
        f"refunded {row.refunded_minor}"
    )
