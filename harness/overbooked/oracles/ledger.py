"""The ledger: every capture and refund has its pair, once, and each pair balances."""

from __future__ import annotations

from overbooked.errors import GapFound
from overbooked.targets.adapter import DurableState, LedgerTransaction


def never_confirmed_without_ledger(state: DurableState) -> None:
    """No paid-for booking is confirmed without a balanced capture pair; holds at every moment."""
    paired = {entry.checkout for entry in in_force(state, "capture") if entry.balanced}
    for row in state.bookings:
        if row.status == "confirmed" and row.checkout is not None and row.checkout not in paired:
            raise GapFound(
                "a booking is confirmed without its ledger pair",
                expected=f"a balanced capture for checkout {row.checkout}",
                observed="none",
                operations=[
                    f"booking {row.id} on {row.slot}: confirmed",
                    *(_line(entry) for entry in state.ledger if entry.checkout == row.checkout),
                ],
            )


def ledger_balances(state: DurableState) -> None:
    """Each transaction has at least two entries and sums to zero; holds at every moment."""
    for entry in state.ledger:
        if not entry.balanced:
            raise GapFound(
                "a ledger transaction does not balance",
                expected="two entries or more that sum to 0",
                observed=_line(entry),
            )


def ledger_pairs(state: DurableState) -> None:
    """Every capture has exactly one pair of its amount, every refund is posted once, and nothing else is.

    A surplus transaction that is reversed counts for nothing, and neither does its reversal. For
    durable state at rest.
    """
    ledger_balances(state)
    for charge in state.charges:
        captures = [entry for entry in in_force(state, "capture") if entry.charge == charge.id]
        amounts = [entry.amount_minor for entry in captures]
        wanted = [charge.captured_minor] if charge.captured_minor else []
        if amounts != wanted:
            raise GapFound(
                "a capture has not exactly one ledger pair",
                expected=f"captures posted for charge {charge.id}: {wanted}",
                observed=f"{amounts}",
                operations=[_line(entry) for entry in captures],
            )
        refunds = [entry for entry in in_force(state, "refund") if entry.charge == charge.id]
        posted = sum(entry.amount_minor for entry in refunds)
        if posted != charge.refunded_minor:
            raise GapFound(
                "refunds and their ledger pairs differ",
                expected=f"{charge.refunded_minor} posted as refunded for charge {charge.id}",
                observed=f"{posted} in {len(refunds)} transactions",
                operations=[_line(entry) for entry in refunds],
            )
    known = {charge.id for charge in state.charges}
    stray = [
        entry
        for entry in (*in_force(state, "capture"), *in_force(state, "refund"))
        if entry.charge not in known
    ]
    if stray:
        raise GapFound(
            "the ledger has a transaction for a charge that the provider does not know",
            expected="one charge behind each transaction",
            observed=_line(stray[0]),
            operations=[_line(entry) for entry in stray],
        )


def captures_posted_once(state: DurableState) -> None:
    """Every capture has exactly one pair, of its amount. For durable state at rest.

    Less than `ledger_pairs`: whether what is posted was ever captured is for the oracles of money.
    """
    for charge in state.charges:
        if not charge.captured_minor:
            continue
        captures = [entry for entry in in_force(state, "capture") if entry.charge == charge.id]
        if [entry.amount_minor for entry in captures] != [charge.captured_minor]:
            raise GapFound(
                "a capture has not exactly one ledger pair",
                expected=f"one pair of {charge.captured_minor} for charge {charge.id}",
                observed=f"{len(captures)}",
                operations=[_line(entry) for entry in captures],
            )


def in_force(state: DurableState, kind: str) -> list[LedgerTransaction]:
    """The transactions of a kind that are neither reversed nor reversals."""
    return [
        entry
        for entry in state.ledger
        if entry.kind == kind and entry.reverses is None and entry.reversed_by is None
    ]


def _line(entry: LedgerTransaction) -> str:
    posts = ", ".join(f"{account} {minor:+d}" for account, minor in entry.entries)
    return f"ledger {entry.kind} {entry.id} of charge {entry.charge}: {posts or 'no entries'}"
