"""How the records of each shape of difference are made; everything else about the sale is consistent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from overbooked.capabilities.differences import HOUR_S
from reference_system.target.sale import PRICE_MINOR, Charge, Payment, Sale

Make = Callable[[Sale], None]

# A refund of less than half, so that the rest of the charge does not prevent a second one.
PART = PRICE_MINOR * 2 // 5
OTHER_CURRENCY = "USD"
ALL, LESS, MORE = PRICE_MINOR, PRICE_MINOR - 300, PRICE_MINOR + 300

# -- captured there, unknown here -------------------------------------------------------------------


def taken(sale: Sale, by: str) -> None:
    """Take the place of the sale: by a `booking` or a `hold` of another, or by `withdrawal`."""
    sale.taken_by, sale.capacity = by, 0 if by == "withdrawal" else 1


def unknown(sale: Sale, state: str, *, payment: str = "", named: bool = True, taken_by: str = "") -> None:
    """A captured charge of a checkout that ended without a booking."""
    sale.ended(state)
    taken(sale, taken_by)
    charge = sale.charged()
    if payment:
        sale.recorded(charge if named else None, state=payment)


def unknown_and_held(sale: Sale, state: str, *, payment: str = "", hold_s: float = -HOUR_S) -> None:
    """A captured charge of a checkout whose process died; its place is still held."""
    sale.held(state, lease_s=-HOUR_S if state == "paying" else None, hold_s=hold_s)
    charge = sale.charged()
    if payment:
        sale.recorded(charge, state=payment)


def unbooked(sale: Sale, state: str = "expired", *, taken_by: str = "", **charged: Any) -> None:
    """A recorded payment without a booking."""
    sale.ended(state)
    taken(sale, taken_by)
    sale.recorded(sale.charged(**charged))


def captured_and_held(sale: Sale) -> None:
    sale.held("paying", lease_s=-HOUR_S, hold_s=-HOUR_S)
    sale.recorded(sale.charged())


def cancelled_unrefunded(sale: Sale) -> None:
    sale.cancelled()
    sale.recorded(sale.charged())


def stray(sale: Sale, checkout: str | None) -> None:
    """A charge whose checkout the service does not have."""
    sale.state = ""
    sale.subject = sale.charged(checkout=checkout).id
    if checkout is not None:
        sale.facts["checkout"] = checkout


def voided_here(sale: Sale) -> None:
    sale.cancelled()
    payment = sale.recorded(sale.charged(), state="voided")
    sale.reverse(sale.post("capture", payment, PRICE_MINOR))


# -- booked here, not captured there ----------------------------------------------------------------


def uncaptured(
    sale: Sale, status: str, *, payment: str = "captured", until_s: float | None = None, **charged: Any
) -> None:
    """A booking whose charge has another status; `payment`: the state of its record, "": none."""
    sale.booked()
    until = None if until_s is None else sale.now.timestamp() + until_s
    charge = sale.charged(status=status, until=until, **charged)
    if payment:
        sale.recorded(charge, state=payment)


def no_charge(sale: Sale, *, payment: bool = True, named: bool = True, part: int = 0) -> None:
    """A booking without any charge."""
    sale.booked()
    if payment:
        recorded = sale.recorded(sale.charged() if named else None)
        sale.charges.clear()
        if part:
            sale.refunded_here(recorded, part)


def captured_of_nothing(sale: Sale) -> None:
    sale.ended("failed")
    sale.recorded(sale.charged())
    sale.charges.clear()


def two_authorisations(sale: Sale) -> None:
    uncaptured(sale, "requires_capture", until_s=-HOUR_S, payment="")
    sale.facts["to_capture"] = sale.charged(status="requires_capture").id


# -- refunds ----------------------------------------------------------------------------------------


def refunded_there(sale: Sale, *minors: int, here: str = "") -> None:
    """Refunds at the provider; `here`: the state of the service's row, "": none."""
    charge, payment = sale.sold()
    for minor in minors:
        refund = sale.refunded_here(payment, minor, state=here) if here else None
        there = sale.refunded_there(charge, minor, of=refund)
        if refund is not None and here in ("sent", "failed"):
            refund.there = there.id


def one_more_there(sale: Sale) -> None:
    charge, payment = sale.sold()
    sale.refunded(charge, payment, PART)
    sale.refunded_there(charge, PART)


def all_there(sale: Sale, here: str) -> None:
    refunded_there(sale, PRICE_MINOR, here=here)
    sale.booking = "cancelled"


def refunded_here(
    sale: Sale, minor: int, *, state: str = "succeeded", to_no_one: bool = False, cancelled: bool = False
) -> None:
    """A refund that the provider was never asked for; `to_no_one`: it has an id that is unknown there."""
    _, payment = sale.sold()
    if cancelled:
        sale.booking = "cancelled"
    sale.refunded_here(payment, minor, state=state, there=f"re_{uuid4().hex}" if to_no_one else None)
    sale.facts["owed_minor"] = minor


def one_more_here(sale: Sale) -> None:
    charge, payment = sale.sold()
    sale.refunded(charge, payment, PART)
    sale.refunded_here(payment, PART)
    sale.facts["owed_minor"] = PART


def surplus_unsent(sale: Sale) -> None:
    sale.sold()
    second = sale.recorded(sale.charged(), surplus=True)
    sale.refunded_here(second, PRICE_MINOR)
    sale.facts |= {"owed_minor": PRICE_MINOR, "owed_of": second.charge}


def failed_there(sale: Sale) -> None:
    charge, payment = sale.sold()
    refund = sale.refunded_here(payment, PART)
    refund.there = sale.refunded_there(charge, PART, of=refund, status="failed").id


# -- amounts ----------------------------------------------------------------------------------------


def charged_otherwise(sale: Sale, **values: Any) -> None:
    """A charge with other values than the payment."""
    charge, _ = sale.sold()
    for name, value in values.items():
        setattr(charge, name, value)


def paid_otherwise(sale: Sale, **values: Any) -> None:
    """A payment with other values than the charge."""
    _, payment = sale.sold()
    for name, value in values.items():
        setattr(payment, name, value)


def unknown_otherwise(sale: Sale, **values: Any) -> None:
    sale.ended("expired")
    sale.charged(**values)


def held_otherwise(sale: Sale, state: str, *, payment: str = "", **values: Any) -> None:
    """A charge with other values than the checkout, whose place is still held."""
    unknown_and_held(sale, state, payment=payment)
    for name, value in values.items():
        setattr(sale.charges[0], name, value)


def less_and(sale: Sale, change: Callable[[Sale], None]) -> None:
    """A charge of less, and something that would be repaired without it."""
    charged_otherwise(sale, amount=LESS, captured=LESS)
    change(sale)


def refund_first_there(sale: Sale) -> None:
    sale.refunded_there(sale.charges[0], PART)


def hold_again(sale: Sale) -> None:
    sale.hold, sale.hold_s, sale.capacity = "live", -HOUR_S, 2


def unbooked_of_more(sale: Sale) -> None:
    unbooked(sale)
    sale.charges[0].amount = sale.charges[0].captured = MORE


def refund_otherwise(sale: Sale, there: int, *, status: str = "succeeded") -> None:
    """A refund of another amount there."""
    charge, payment = sale.sold()
    refund = sale.refunded(charge, payment, PART, status=status)
    for one in sale.refunds_there:
        if one.id == refund.there:
            charge.refunded += (there - one.amount) if status == "succeeded" else 0
            one.amount = there


def miscounted(sale: Sale) -> None:
    charge, payment = sale.sold()
    sale.refunded(charge, payment, PART)
    payment.refunded -= 100


def posted_otherwise(sale: Sale, kind: str, minor: int, currency: str = "") -> None:
    """A ledger pair of another amount or currency."""
    charge, payment = sale.sold()
    if kind == "refund":
        sale.refunded(charge, payment, PART)
    posting = next(one for one in sale.postings if one.kind == kind)
    currency = currency or sale.currency
    posting.entries = [
        (account, minor if was > 0 else -minor, currency) for account, was, _ in posting.entries
    ]


# -- charged or recorded twice ----------------------------------------------------------------------


def second_charge(sale: Sale, *, here: str = "", part: int = 0, further: int = 1) -> None:
    """Further charges of a sale; `here`: the state of the payment of each, "": none."""
    sale.sold()
    charges = [sale.charged() for _ in range(further)]
    for charge in charges:
        if here:
            payment = sale.recorded(charge, state=here, surplus=here == "captured")
            if part:
                sale.refunded(charge, payment, part)
    sale.facts["surplus"] = [charge.id for charge in charges]


def both_unknown(sale: Sale) -> None:
    sale.ended("expired")
    sale.charged()
    sale.facts["surplus"] = [sale.charged().id]


def posted_again(sale: Sale, *, times: int = 1) -> None:
    _, payment = sale.sold()
    for n in range(times):
        sale.post("capture", payment, PRICE_MINOR, f"{payment.charge}#{n}")


def refund_posted_again(sale: Sale) -> None:
    charge, payment = sale.sold()
    refund = sale.refunded(charge, payment, PART)
    sale.post("refund", payment, PART, f"{refund.id}#again")


def recorded_again(sale: Sale) -> None:
    _, payment = sale.sold()
    sale.recorded(Charge(f"{payment.charge}copy", 0, sale.method, None), surplus=True)


# -- the ledger -------------------------------------------------------------------------------------


def unposted(sale: Sale, kind: str, *, keep: Callable[[int], bool] | None = None) -> None:
    """A ledger pair that is missing; `keep`: only its entries that are not kept are."""
    charge, payment = sale.sold()
    if kind == "refund":
        sale.refunded(charge, payment, PART)
    posting = next(one for one in sale.postings if one.kind == kind)
    if keep is None:
        sale.postings.remove(posting)
    else:
        posting.entries = [entry for entry in posting.entries if keep(entry[1])]


def unposted_after_refunds(sale: Sale, kind: str, *minors: int, cancelled: bool = False) -> None:
    """The last pair of a kind is missing, of a payment with refunds."""
    charge, payment = sale.sold()
    for minor in minors:
        sale.refunded(charge, payment, minor)
    if cancelled:
        sale.booking = "cancelled"
    sale.postings.remove([one for one in sale.postings if one.kind == kind][-1])


def unposted_surplus(sale: Sale, kind: str) -> None:
    sale.sold()
    charge = sale.charged()
    payment = sale.recorded(charge, surplus=True)
    sale.refunded(charge, payment, PRICE_MINOR)
    sale.postings.remove([one for one in sale.postings if one.kind == kind][-1])


# -- holds ------------------------------------------------------------------------------------------


def orphan(sale: Sale, state: str = "", *, hold_s: float = -HOUR_S) -> None:
    """A live hold of a checkout that has ended, or of none."""
    if state == "booked":
        charge, payment = sale.sold()
        sale.refunded(charge, payment, PRICE_MINOR)
        sale.booking = "cancelled"
    elif state:
        sale.ended(state)
    else:
        sale.state, sale.hold_is_of_checkout = "", False
        sale.subject = str(sale.hold_id)
    sale.hold, sale.hold_s = "live", hold_s


def declined_there(sale: Sale) -> None:
    sale.held("processing")
    sale.recorded(sale.charged(status="declined"), state="created")


# -- several on one payment -------------------------------------------------------------------------


def without_capture_pair(sale: Sale, make: Make) -> None:
    make(sale)
    sale.postings.remove(next(one for one in sale.postings if one.kind == "capture"))


def here_and_there(sale: Sale) -> None:
    charge, payment = sale.sold()
    sale.refunded_there(charge, 300)
    sale.refunded_here(payment, PART)
    sale.facts["owed_minor"] = PART


def twice_posted_and_refunded_here(sale: Sale) -> None:
    refunded_here(sale, PART)
    payment: Payment = sale.payments[0]
    sale.post("capture", payment, PRICE_MINOR, f"{payment.charge}#again")


def booked_and_held(sale: Sale) -> None:
    sale.sold()
    sale.postings.clear()
    sale.hold, sale.hold_s, sale.capacity = "live", -HOUR_S, 2
