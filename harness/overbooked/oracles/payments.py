"""Payments of which everything was told: what the provider says stands in the records, once."""

from __future__ import annotations

from collections import Counter

from overbooked.errors import GapFound
from overbooked.oracles.effects import provider_and_records_agree
from overbooked.oracles.ledger import in_force, ledger_pairs
from overbooked.oracles.money import charged_once, money_matches_bookings
from overbooked.targets.adapter import DurableState, PaymentRow


def told_once(state: DurableState) -> None:
    """Every event of these payments took effect, exactly once.

    Booked if and only if money was kept, amounts as the provider has them, each posted to the ledger
    once, and the state of each payment as its amounts say. For durable state at rest.
    """
    charged_once(state)
    provider_and_records_agree(state)
    states_fit_amounts(state)
    ledger_pairs(state)
    money_matches_bookings(state)


def states_fit_amounts(state: DurableState) -> None:
    """A payment's state is the one its amounts imply; holds at every moment."""
    for row in state.payments:
        if row.state not in _fitting(row):
            raise GapFound(
                "a payment is in a state that its amounts belie",
                expected=" or ".join(_fitting(row)),
                observed=row.state,
                operations=[
                    f"payment {row.id} of charge {row.charge}: captured {row.captured_minor}, "
                    f"refunded {row.refunded_minor}"
                ],
            )


def alike(state: DurableState, model: DurableState) -> None:
    """Two payments have come to the same, names apart.

    The same places taken and held, payments in the same states with the same amounts, the same
    ledger. A booking that was made and cancelled leaves what one never made does: a free place.
    """
    found, wanted = _shape(state), _shape(model)
    if found != wanted:
        raise GapFound(
            "a payment has not come to what another one like it has",
            expected=_told(wanted - found) or "nothing more",
            observed=_told(found - wanted) or "nothing of that",
        )


def _fitting(row: PaymentRow) -> tuple[str, ...]:
    if row.captured_minor == 0:
        return ("created", "authorized", "failed", "voided")
    if row.refunded_minor == 0:
        return ("captured",)
    return ("partially_refunded",) if row.refunded_minor < row.captured_minor else ("refunded",)


def _shape(state: DurableState) -> Counter[str]:
    return Counter(
        [
            *("a confirmed booking" for row in state.bookings if row.status == "confirmed"),
            *("a live hold" for row in state.holds if row.live),
            *(
                f"a payment {row.state}, captured {row.captured_minor} and refunded {row.refunded_minor} "
                f"{row.currency}"
                for row in state.payments
            ),
            *(
                f"a {kind} in the ledger: {', '.join(f'{name} {minor:+d}' for name, minor in entry.entries)}"
                for kind in ("capture", "refund")
                for entry in in_force(state, kind)
            ),
        ]
    )


def _told(shape: Counter[str]) -> str:
    return "; ".join(f"{times} times {what}" if times > 1 else what for what, times in shape.items())
