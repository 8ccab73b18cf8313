"""Checks of money: captured if and only if a booking exists, once, at the quoted price."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from overbooked.capabilities.booking import BookingRow
from overbooked.capabilities.checkout import ChargeRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.targets.adapter import Money

_Row = TypeVar("_Row", BookingRow, ChargeRow)


def money_matches_bookings(state: DurableState) -> None:
    """Money is captured, net of refunds, if and only if a confirmed booking exists.

    For durable state at rest: after recovery and reconciliation.
    """
    bookings = _by_checkout(row for row in state.bookings if row.status == "confirmed")
    charges = _by_checkout(state.charges)
    for checkout in sorted({*bookings, *charges} - {None}, key=str):
        net = sum(charge.net_minor for charge in charges.get(checkout, []))
        booked = bookings.get(checkout, [])
        if net and not booked:
            raise _found(
                "money is kept without a booking", f"net 0 for checkout {checkout}", net, charges[checkout]
            )
        if booked and net <= 0:
            raise _found(
                "a booking is confirmed without a payment",
                f"a net charge for booking {booked[0].id}",
                net,
                charges.get(checkout, []),
            )
        if len(booked) > 1:
            raise GapFound(
                "one checkout made several bookings",
                expected=f"one booking for checkout {checkout}",
                observed=f"{len(booked)}",
                operations=[f"booking {row.id} on {row.slot}" for row in booked],
            )
    stray = [charge for charge in charges.get(None, []) if charge.net_minor]
    if stray:
        raise _found("money is kept without a checkout", "no such charge", stray[0].net_minor, stray)


def charged_once(state: DurableState) -> None:
    """Each checkout has at most one captured charge, captured once. Holds at every moment."""
    for checkout, charges in _by_checkout(state.charges).items():
        captured = [charge for charge in charges if charge.captured_minor > 0]
        if checkout is not None and len(captured) > 1:
            raise GapFound(
                "a booking is charged twice",
                expected=f"one captured charge for checkout {checkout}",
                observed=f"{len(captured)}",
                operations=[_line(charge) for charge in captured],
            )
        for charge in charges:
            if charge.captures > 1:
                raise GapFound(
                    "a charge is captured twice",
                    expected=f"charge {charge.id} captured at most once",
                    observed=f"{charge.captures} captures",
                    operations=[_line(charge)],
                )


def charged(state: DurableState, checkout: str, price: Money) -> None:
    """The checkout was charged exactly this price, to the minor unit and in its currency.

    For a price of zero, nothing was charged.
    """
    if price.minor == 0:
        nothing_charged(state, [checkout])
        return
    captured = [c for c in state.charges if c.checkout == checkout and c.captured_minor > 0]
    total = sum(charge.captured_minor for charge in captured)
    currencies = {charge.currency for charge in captured}
    if len(captured) != 1 or total != price.minor or currencies != {price.currency}:
        raise GapFound(
            "the amount charged is not the amount quoted",
            expected=f"one charge of {price.minor} {price.currency} (minor units)",
            observed=f"{len(captured)} of {total} {'/'.join(sorted(currencies))}".strip(),
            operations=[_line(charge) for charge in captured],
        )


def nothing_charged(state: DurableState, checkouts: Sequence[str] | None = None) -> None:
    """Nothing was captured for these checkouts (default: any); a refunded capture counts as captured."""
    taken = [
        charge
        for charge in state.charges
        if charge.captured_minor > 0 and (checkouts is None or charge.checkout in checkouts)
    ]
    if taken:
        raise GapFound(
            "money was captured where none may be",
            expected="no capture",
            observed=f"{len(taken)} captured",
            operations=[_line(charge) for charge in taken],
        )


def paid_bookings(state: DurableState, n: int) -> None:
    """Exactly `n` bookings are confirmed and exactly `n` charges captured, net of refunds."""
    booked = [row for row in state.bookings if row.status == "confirmed"]
    kept = [charge for charge in state.charges if charge.net_minor > 0]
    if len(booked) != n or len(kept) != n:
        raise GapFound(
            "the numbers of bookings and charges differ from the number of purchases",
            expected=f"{n} confirmed bookings and {n} charges",
            observed=f"{len(booked)} bookings, {len(kept)} charges",
            operations=[f"booking {row.id}, checkout {row.checkout}" for row in booked]
            + [_line(charge) for charge in kept],
        )


def _by_checkout(rows: Iterable[_Row]) -> dict[str | None, list[_Row]]:
    grouped: dict[str | None, list[_Row]] = defaultdict(list)
    for row in rows:
        grouped[row.checkout].append(row)
    return grouped


def _found(what: str, expected: str, net: int, charges: Sequence[ChargeRow]) -> GapFound:
    return GapFound(
        what,
        expected=expected,
        observed=f"net {net}",
        operations=[_line(charge) for charge in charges],
    )


def _line(charge: ChargeRow) -> str:
    pending = f", {charge.refund_pending_minor} more being refunded" if charge.refund_pending_minor else ""
    return (
        f"charge {charge.id} for checkout {charge.checkout}: captured {charge.captured_minor} "
        f"{charge.currency} in {charge.captures}, refunded {charge.refunded_minor}{pending}"
    )
