"""Checks of payments whose events were all delivered: the records match the provider's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from overbooked.capabilities.checkout import PaymentRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.side_effects import CHECKOUT_STATES, REFUND_RECORDS
from overbooked.capabilities.webhooks import DeadLetter, ProviderEvent
from overbooked.errors import GapFound
from overbooked.oracles.effects import announced_once, provider_and_records_agree
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import in_force, ledger_pairs
from overbooked.oracles.money import charged_once, money_matches_bookings


def recorded_once(state: DurableState) -> None:
    """Every event of these payments took effect, exactly once.

    A booking exists if and only if money is kept; amounts equal the provider's; each amount is posted to the
    ledger once; each payment's state fits its amounts; no place is held any more; each booking is announced
    at most once. For durable state at rest.
    """
    charged_once(state)
    provider_and_records_agree(state)
    states_fit_amounts(state)
    ledger_pairs(state)
    money_matches_bookings(state)
    no_hold_left(state)
    announced_once(state)


def given_up(events: Iterable[ProviderEvent], state: DurableState) -> list[DeadLetter]:
    """Return the dead letters about some events."""
    ids = {event.id for event in events}
    return [letter for letter in state.dead_letters if letter.subject in ids]


def states_fit_amounts(state: DurableState) -> None:
    """Each payment's state is consistent with its amounts. Holds at every moment."""
    for row in state.payments:
        if row.state not in _fitting(row):
            raise GapFound(
                "a payment's state contradicts its amounts",
                expected=" or ".join(_fitting(row)),
                observed=row.state,
                operations=[
                    f"payment {row.id} of charge {row.charge}: captured {row.captured_minor}, "
                    f"refunded {row.refunded_minor}"
                ],
            )


def same_records(state: DurableState, model: DurableState) -> None:
    """The records of two payments are equal, apart from ids.

    Both have the same numbers of confirmed bookings and live holds, payments in the same states with the same
    amounts, the same ledger entries, refunds and dead letters, and checkouts in the same state. Cancelled
    bookings and the states of checkouts that were refunded in full are ignored: nothing is left of them.
    """
    found, wanted = _shape(state), _shape(model)
    if found != wanted:
        raise GapFound(
            "the records of a payment differ from those of an identical payment",
            expected=_describe(wanted - found) or "nothing more",
            observed=_describe(found - wanted) or "nothing of that",
        )


def _fitting(row: PaymentRow) -> tuple[str, ...]:
    if row.captured_minor == 0:
        return ("created", "authorized", "failed", "voided")
    if row.refunded_minor == 0:
        return ("captured",)
    return ("partially_refunded",) if row.refunded_minor < row.captured_minor else ("refunded",)


def _shape(state: DurableState) -> Counter[str]:
    kinds = state.kinds()
    # Nothing is left of such a checkout, whether its place was booked in between or not.
    refunded = {row.checkout for row in state.charges if row.captured_minor > 0 and row.net_minor == 0}
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
            *(f"a refund of {row.amount_minor}, {row.state}" for row in kinds.get(REFUND_RECORDS.name, ())),
            *(
                f"a checkout {'ended' if row.checkout in refunded else row.state}"
                for row in kinds.get(CHECKOUT_STATES.name, ())
            ),
            *("a dead letter" for letter in state.dead_letters if letter.subject in _subjects(state)),
        ]
    )


def _subjects(state: DurableState) -> set[str]:
    """Return the ids of every record but dead letters."""
    return {str(row.id) for kind, rows in state.kinds().items() if kind != "dead_letters" for row in rows}


def _describe(shape: Counter[str]) -> str:
    return "; ".join(f"{times} times {what}" if times > 1 else what for what, times in shape.items())
