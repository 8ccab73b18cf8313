"""Checks of the ledger: every capture and refund is posted once, and each transaction balances."""

from __future__ import annotations

from overbooked.capabilities.checkout import LedgerTransaction
from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound


def never_confirmed_without_ledger(state: DurableState) -> None:
    """Every confirmed booking of a checkout has a balanced capture pair. Holds at every moment."""
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
    """Each transaction has at least two entries, and they sum to zero. Holds at every moment."""
    for entry in state.ledger:
        if not entry.balanced:
            raise GapFound(
                "a ledger transaction does not balance",
                expected="at least two entries that sum to 0",
                observed=_line(entry),
            )


def ledger_pairs(state: DurableState) -> None:
    """Every capture has exactly one pair of its amount, refunds are posted in full, and nothing else is.

    Reversed transactions and their reversals do not count. For durable state at rest.
    """
    ledger_balances(state)
    for charge in state.charges:
        captures = [entry for entry in in_force(state, "capture") if entry.charge == charge.id]
        amounts = [entry.amount_minor for entry in captures]
        wanted = [charge.captured_minor] if charge.captured_minor else []
        if amounts != wanted:
            raise GapFound(
                "a capture does not have exactly one ledger pair",
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
            "the ledger has a transaction for a charge unknown to the provider",
            expected="a charge for each transaction",
            observed=_line(stray[0]),
            operations=[_line(entry) for entry in stray],
        )


def posted_alike(state: DurableState, model: DurableState) -> None:
    """Pairs of a kind move money between the same accounts, in the same direction, as those of a model, and
    are in the currency of their charge.

    Args:
        state: the pairs to check.
        model: pairs that are right, of any payments.
    """
    ways: dict[str, set[frozenset[tuple[str, bool]]]] = {}
    for entry in model.ledger:
        if entry.reverses is None:
            ways.setdefault(entry.kind, set()).add(_way(entry))
    currencies = {charge.id: charge.currency for charge in state.charges}
    for kind, known in ways.items():
        for entry in in_force(state, kind):
            if _way(entry) not in known:
                raise GapFound(
                    "a ledger pair moves money between the wrong accounts",
                    expected=" or ".join(
                        ", ".join(f"{account} {'+' if up else '-'}" for account, up in sorted(way))
                        for way in known
                    ),
                    observed=_line(entry),
                )
    for entry in (*in_force(state, "capture"), *in_force(state, "refund")):
        wanted = currencies.get(entry.charge or "", entry.currency)
        if entry.currency is not None and entry.currency != wanted:
            raise GapFound(
                "a ledger pair is in another currency than its charge",
                expected=f"{wanted}",
                observed=f"{_line(entry)}, in {entry.currency or 'several currencies'}",
            )


def _way(entry: LedgerTransaction) -> frozenset[tuple[str, bool]]:
    return frozenset((account, minor > 0) for account, minor in entry.entries)


def captures_posted_once(state: DurableState) -> None:
    """Every capture has exactly one pair, of its amount. For durable state at rest.

    Weaker than `ledger_pairs`: it does not check that each posted amount was captured.
    """
    for charge in state.charges:
        if not charge.captured_minor:
            continue
        captures = [entry for entry in in_force(state, "capture") if entry.charge == charge.id]
        if [entry.amount_minor for entry in captures] != [charge.captured_minor]:
            raise GapFound(
                "a capture does not have exactly one ledger pair",
                expected=f"one pair of {charge.captured_minor} for charge {charge.id}",
                observed=f"{len(captures)}",
                operations=[_line(entry) for entry in captures],
            )


def in_force(state: DurableState, kind: str) -> list[LedgerTransaction]:
    """Return the transactions of a kind that are neither reversed nor reversals."""
    return [
        entry
        for entry in state.ledger
        if entry.kind == kind and entry.reverses is None and entry.reversed_by is None
    ]


def _line(entry: LedgerTransaction) -> str:
    posts = ", ".join(f"{account} {minor:+d}" for account, minor in entry.entries)
    return f"ledger {entry.kind} {entry.id} of charge {entry.charge}: {posts or 'no entries'}"
