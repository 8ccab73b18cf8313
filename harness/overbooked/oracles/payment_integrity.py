"""Payment and booking as one: what holds at every moment, what holds at rest, what buyers are told."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.errors import GapFound
from overbooked.oracles.answers import one_outcome, told
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import ledger_balances, ledger_pairs, never_confirmed_without_ledger
from overbooked.oracles.money import charged_once, money_matches_bookings
from overbooked.targets.adapter import Answer, DurableState


def never_torn(state: DurableState) -> None:
    """No confirmed booking lacks its ledger pair, none is charged twice. Holds at every moment."""
    never_confirmed_without_ledger(state)
    ledger_balances(state)
    charged_once(state)


def whole_again(state: DurableState) -> None:
    """Bookings, captures net of refunds and ledger pairs match one to one, and no hold is left.

    For durable state at rest: after recovery and reconciliation.
    """
    never_torn(state)
    money_matches_bookings(state)
    ledger_pairs(state)
    no_hold_left(state)


def told_the_outcome(attempts: Sequence[Answer], checkout: str, state: DurableState) -> None:
    """Every conclusive answer to a payment is the same one, the last is one, and it is what was done.

    Args:
        attempts: the answers to one payment and its repeats with its key, in order.
        checkout: what was paid for.
        state: durable state at rest.
    """
    one_outcome(attempts)
    last = attempts[-1]
    if last.unknown:
        raise GapFound(
            "a repeat with the same idempotency key gets no conclusive answer",
            expected="the first conclusive answer, or the recorded outcome",
            observed=told(last),
            operations=[told(answer) for answer in attempts],
        )
    booked = [row.id for row in state.bookings if row.checkout == checkout and row.status == "confirmed"]
    promised = [str(last.facts["booking"])] if last.ok and "booking" in last.facts else []
    if promised != booked:
        raise GapFound(
            "what is told to a repeat with the same idempotency key is not what was done",
            expected=f"booking {booked[0]}" if booked else "a refusal: there is no booking",
            observed=told(last),
            operations=[told(answer) for answer in attempts],
        )
