"""Events and their effects: each exactly once, and states that only go forward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from overbooked.errors import GapFound, HarnessError
from overbooked.oracles.ledger import in_force
from overbooked.targets.adapter import PAYMENT_STATES, BookingRow, DurableState, PaymentRow

_RANK: Mapping[str, int] = {state: rank for rank, state in enumerate(PAYMENT_STATES)}


def exactly_once(effects: Iterable[str], wanted: Iterable[str], what: str = "effect") -> None:
    """Each wanted effect happened once, and no other did."""
    seen, expected = Counter(effects), set(wanted)
    wrong = {name: seen[name] for name in sorted(expected | set(seen)) if seen[name] != (name in expected)}
    if wrong:
        raise GapFound(
            f"an {what} did not happen exactly once",
            expected=f"each of {len(expected)} once, no other",
            observed=", ".join(f"{name}: {times} times" for name, times in wrong.items()),
        )


def provider_and_records_agree(state: DurableState) -> None:
    """What the provider took and gave back stands in the service's records, once.

    Captured and refunded amounts of each charge equal those of its payment, and each is posted to the
    ledger once: an event that took effect twice, or not at all, shows here. Charges never captured
    need no payment.
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
    """Records never go back between one look at them and the next.

    A payment's state stays or goes on (PAYMENT_STATES), its amounts never fall, a cancelled booking
    stays so. A record of any kind that lasts, which the type of the state declares, stays there.
    """
    for before, after in pairwise(states):
        _payments_go_on(before, after)
        _bookings_go_on(before, after)
        _lasting_records_stay(before, after)


def nothing_changed(before: DurableState, after: DurableState) -> None:
    """Two looks at durable state show the same rows of every kind that either of them has."""
    was_of, now_of = before.kinds(), after.kinds()
    for kind in dict.fromkeys([*was_of, *now_of]):
        gone, new = _differing(was_of.get(kind, ()), now_of.get(kind, ()))
        if gone or new:
            raise GapFound(
                f"{kind.replace('_', ' ')} changed where nothing may",
                expected="the same as before",
                observed=f"{len(new)} new or changed, {len(gone)} gone or changed",
                operations=[f"was {row}" for row in sorted(gone, key=str)[:5]]
                + [f"is {row}" for row in sorted(new, key=str)[:5]],
            )


def _differing(was: Sequence[Any], now: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The rows that only one of two looks shows, each as often as it is missing in the other.

    By equality alone: a row need not be hashable.
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
                f"a record went away that has to stay ({kind.replace('_', ' ')})",
                expected=f"{gone[0]} to stay",
                observed="it is gone",
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
                expected=f"from {_payment(was)} onwards",
                observed="it is gone" if row is None else _payment(row),
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
            f"payment {row.id} is {row.state!r}, which is none of {', '.join(_RANK)}: "
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
                expected=f"booking {was.id}, {was.status}, to stay or go on",
                observed="it is gone" if row is None else row.status,
            )


def _payment(row: PaymentRow) -> str:
    return (
        f"payment {row.id} of charge {row.charge}: {row.state}, captured {row.captured_minor}, "
        f"refunded {row.refunded_minor}"
    )
