"""How the records of each legitimate state are made that looks like a difference and is none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import uuid4

from overbooked.capabilities.differences import HOUR_S, MINUTE_S
from reference_system.target.planted_differences import PART, Make, taken
from reference_system.target.sale import PRICE_MINOR, Sale


def paid(sale: Sale) -> None:
    sale.sold()


def moved(sale: Sale) -> None:
    sale.sold()
    sale.moved_to = uuid4()


def held(sale: Sale, hold_s: float) -> None:
    sale.held("open", hold_s=hold_s)


def being_paid(sale: Sale, status: str = "") -> None:
    """A payment request is in progress: it may change the records at any moment."""
    sale.held("paying", lease_s=HOUR_S, hold_s=HOUR_S)
    if status:
        sale.charged(status=status)


def processing(sale: Sale) -> None:
    sale.held("processing", hold_s=-MINUTE_S)
    sale.recorded(sale.charged(status="processing"), state="created")


def refunded(sale: Sale, *minors: int, status: str = "succeeded", by_hand: bool = False) -> None:
    """A sale with refunds that both sides know; one of everything cancels the booking."""
    charge, payment = sale.sold()
    for minor in minors:
        sale.refunded(charge, payment, minor, status=status, by_hand=by_hand)
    if sum(minors) == PRICE_MINOR:
        sale.booking = "cancelled"


def second_charge(sale: Sale, status: str) -> None:
    sale.sold()
    charge = sale.charged()
    sale.refunded(charge, sale.recorded(charge, surplus=True), PRICE_MINOR, status=status)


def place_lost(sale: Sale) -> None:
    sale.ended("failed")
    taken(sale, "booking")
    charge = sale.charged()
    sale.refunded(charge, sale.recorded(charge), PRICE_MINOR)


def free(sale: Sale, booking: str) -> None:
    sale.booked()
    sale.price, sale.booking = 0, booking


def without_checkout(sale: Sale) -> None:
    sale.booked()
    sale.state = ""


def unpaid(sale: Sale, state: str, status: str = "", payment: str = "", *, lapsed: bool = False) -> None:
    """A checkout that ended without money."""
    sale.ended(state)
    if status:
        until = sale.at.timestamp() - HOUR_S if lapsed else None
        sale.recorded(sale.charged(status=status, until=until), state=payment)


def declined_then_paid(sale: Sale) -> None:
    sale.recorded(sale.charged(status="declined"), state="failed")
    sale.booked()
    sale.recorded(sale.charged())


def written_off(sale: Sale) -> None:
    sale.cancelled()
    payment = sale.recorded(sale.charged(status="canceled"), state="voided")
    sale.reverse(sale.post("capture", payment, PRICE_MINOR))


def reversed_once(sale: Sale) -> None:
    _, payment = sale.sold()
    sale.reverse(sale.post("capture", payment, PRICE_MINOR, f"{payment.charge}#again"))


_p = partial

NEAR_MAKERS: Mapping[str, Make] = {
    "paid and booked": paid,
    "paid, booked and moved to another slot": moved,
    "place held, nothing paid": _p(held, hold_s=HOUR_S),
    "place held, hold about to be expired by its job": _p(held, hold_s=-MINUTE_S),
    "being paid, nothing there yet": being_paid,
    "being paid, authorised": _p(being_paid, status="requires_capture"),
    "being paid, captured": _p(being_paid, status="captured"),
    "bank transfer processing": processing,
    "refund pending there": lambda sale: refunded(sale, PRICE_MINOR, status="pending"),
    "part refund pending there": lambda sale: refunded(sale, PART, status="pending"),
    "refunded and cancelled": lambda sale: refunded(sale, PRICE_MINOR),
    "refunded in two and cancelled": lambda sale: refunded(sale, PART, PRICE_MINOR - PART),
    "partly refunded": lambda sale: refunded(sale, PART),
    "refund made by hand and recorded": lambda sale: refunded(sale, PART, by_hand=True),
    "refund failed and recorded": lambda sale: refunded(sale, PART, status="failed"),
    "second charge refunded": _p(second_charge, status="succeeded"),
    "second charge, refund pending there": _p(second_charge, status="pending"),
    "place lost, refunded": place_lost,
    "free of charge": _p(free, booking="confirmed"),
    "free of charge, cancelled": _p(free, booking="cancelled"),
    "booked without checkout": without_checkout,
    "declined": lambda sale: unpaid(sale, "declined", "declined", "failed"),
    "declined, then paid": declined_then_paid,
    "expired, hold released": lambda sale: unpaid(sale, "expired"),
    "expired, authorisation lapsed": lambda sale: unpaid(
        sale, "expired", "requires_capture", "authorized", lapsed=True
    ),
    "place lost, authorisation cancelled": lambda sale: unpaid(sale, "failed", "canceled", "voided"),
    "written off, booking cancelled": written_off,
    "capture posted twice, one reversed": reversed_once,
}
