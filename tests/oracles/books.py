"""Sample durable states for oracles: one booking, paid once, and faulty variants."""

from __future__ import annotations

from overbooked.capabilities.booking import BookingRow
from overbooked.capabilities.checkout import ChargeRow, HoldRow, LedgerTransaction, PaymentRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.targets.adapter import Answer, Outcome


def booking(id_: str = "b1", *, checkout: str | None = "c1", status: str = "confirmed") -> BookingRow:
    return BookingRow(id=id_, slot="s1", customer="ana", status=status, checkout=checkout)


def charge(
    id_: str = "ch1",
    *,
    checkout: str | None = "c1",
    captured: int = 2500,
    refunded: int = 0,
    pending: int = 0,
    captures: int | None = None,
) -> ChargeRow:
    return ChargeRow(
        id=id_,
        checkout=checkout,
        currency="EUR",
        captured_minor=captured,
        refunded_minor=refunded,
        refund_pending_minor=pending,
        captures=int(captured > 0) if captures is None else captures,
    )


def payment(
    id_: str = "p1", *, state: str = "captured", charge: str = "ch1", captured: int = 2500, refunded: int = 0
) -> PaymentRow:
    return PaymentRow(
        id=id_,
        charge=charge,
        checkout="c1",
        state=state,
        currency="EUR",
        captured_minor=captured,
        refunded_minor=refunded,
    )


def posted(
    id_: str = "t1",
    *,
    kind: str = "capture",
    amount: int = 2500,
    charge: str | None = "ch1",
    checkout: str | None = "c1",
    entries: tuple[tuple[str, int], ...] | None = None,
    reverses: str | None = None,
    reversed_by: str | None = None,
) -> LedgerTransaction:
    if entries is None:
        entries = (("receivable", amount), ("revenue", -amount))
    return LedgerTransaction(
        id=id_,
        kind=kind,
        checkout=checkout,
        charge=charge,
        entries=entries,
        reverses=reverses,
        reversed_by=reversed_by,
    )


def hold(id_: str = "h1", *, live: bool = True) -> HoldRow:
    return HoldRow(id=id_, slot="s1", checkout="c1", live=live)


PAID = DurableState(
    bookings=(booking(),),
    holds=(hold(live=False),),
    charges=(charge(),),
    payments=(payment(),),
    ledger=(posted(),),
)
CANCELLED = DurableState(
    bookings=(booking(status="cancelled"),),
    charges=(charge(refunded=2500),),
    payments=(payment(state="refunded", refunded=2500),),
    ledger=(posted(), posted("t2", kind="refund")),
)
NOTHING = DurableState()


def ok(booking: str = "b1", **facts: object) -> Answer:
    return Answer(Outcome.OK, 201, {"booking": booking, **facts})


def refused(status: int = 409, problem: str = "sold-out") -> Answer:
    return Answer(Outcome.REFUSED, status, problem=problem)


def unknown(status: int | None = None) -> Answer:
    return Answer(Outcome.UNKNOWN, status, problem="receive: ReadTimeout")
