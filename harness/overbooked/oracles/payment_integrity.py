"""Checks of payment and booking together: at every moment, at rest, and in the answers to clients."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.answers import conclusive, describe, one_outcome
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import ledger_balances, ledger_pairs, never_confirmed_without_ledger
from overbooked.oracles.money import charged_once, money_matches_bookings
from overbooked.targets.adapter import Answer, Money

# The status of a refusal that says that the payment was declined.
PAYMENT_REQUIRED = 402


def always_consistent(state: DurableState) -> None:
    """Every confirmed booking has its ledger pair, and none is charged twice. Holds at every moment."""
    never_confirmed_without_ledger(state)
    ledger_balances(state)
    charged_once(state)


def consistent_at_rest(state: DurableState) -> None:
    """Bookings, captures net of refunds and ledger pairs match one to one, and no hold is left.

    For durable state at rest: after recovery and reconciliation.
    """
    always_consistent(state)
    money_matches_bookings(state)
    ledger_pairs(state)
    no_hold_left(state)


def repeats_match_outcome(attempts: Sequence[Answer], checkout: str, state: DurableState) -> None:
    """All conclusive answers to a payment are equal, the last one is conclusive, and it matches the records:
    its booking is confirmed, and after a refusal there is neither a booking nor money kept.

    Args:
        attempts: the answers to one payment and its retries with the same key, in order. One that says that
            the payment is pending matches a booking as well as none.
        checkout: id of the checkout that is paid.
        state: durable state at rest.
    """
    one_outcome(attempts)
    last = attempts[-1]
    if last.unknown:
        raise GapFound(
            "a retry with the same idempotency key gets no conclusive answer",
            expected="the first conclusive answer, or the recorded outcome",
            observed=describe(last),
            operations=[describe(answer) for answer in attempts],
        )
    booked = _booked(checkout, state)
    promised = [str(last.facts["booking"])] if last.ok and "booking" in last.facts else []
    if promised != booked and not last.pending:
        raise GapFound(
            "the answer to a retry with the same idempotency key differs from what was recorded",
            expected=f"booking {booked[0]}" if booked else "a refusal, as there is no booking",
            observed=describe(last),
            operations=[describe(answer) for answer in attempts],
        )
    answers_were_true([last], checkout, state)
    kept = sum(charge.net_minor for charge in state.charges if charge.checkout == checkout)
    if last.refused and kept > 0:
        raise GapFound(
            "a conclusive answer does not state what was done",
            expected="no money kept after a refusal",
            observed=f"{kept} kept",
            operations=[describe(answer) for answer in attempts],
        )


def answers_were_true(answers: Sequence[Answer], checkout: str, state: DurableState) -> None:
    """Every conclusive answer to a payment states what was done. Holds from the answer on.

    A success names the booking that is confirmed and, if it names a price, the amount that was kept; a
    pending payment is known to the provider; a refusal left no booking, and a decline captured nothing.

    Args:
        answers: the answers to one payment and its retries.
        checkout: id of the checkout that is paid; its booking was not cancelled.
        state: durable state after the answers.
    """
    for answer in answers:
        if conclusive(answer) and (wrong := _untrue(answer, checkout, state)) is not None:
            expected, observed = wrong
            raise GapFound(
                "a conclusive answer does not state what was done",
                expected=expected,
                observed=observed,
                operations=[
                    describe(answer),
                    *(
                        f"charge {charge.id}: captured {charge.captured_minor}, kept {charge.net_minor} "
                        f"{charge.currency}"
                        for charge in state.charges
                        if charge.checkout == checkout
                    ),
                ],
            )


def kept_is_quoted(state: DurableState, checkout: str, price: Money) -> None:
    """What is kept for a confirmed booking is the price at which its checkout was begun. At rest."""
    charges = [charge for charge in state.charges if charge.checkout == checkout]
    kept = sum(charge.net_minor for charge in charges)
    currencies = {charge.currency for charge in charges if charge.net_minor}
    if _booked(checkout, state) and (kept != price.minor or currencies - {price.currency}):
        raise GapFound(
            "the money kept for a booking is not the price of its checkout",
            expected=f"{price.minor} {price.currency} (minor units)",
            observed=f"{kept} {'/'.join(sorted(currencies))}".strip(),
            operations=[
                f"charge {charge.id}: kept {charge.net_minor} {charge.currency}" for charge in charges
            ],
        )


def _untrue(answer: Answer, checkout: str, state: DurableState) -> tuple[str, str] | None:
    """Return what an answer claims and what is recorded, if they differ."""
    booked = _booked(checkout, state)
    charges = [charge for charge in state.charges if charge.checkout == checkout]
    kept = sum(charge.net_minor for charge in charges)
    if answer.pending:
        return None if charges else ("a payment that the provider knows", "the provider has none")
    if answer.refused:
        if booked:
            return "no booking after a refusal", f"booking {booked[0]}"
        captured = sum(charge.captured_minor for charge in charges)
        declined = answer.status == PAYMENT_REQUIRED
        return ("nothing captured by a declined payment", f"{captured}") if declined and captured else None
    if "booking" in answer.facts and [str(answer.facts["booking"])] != booked:
        return f"booking {answer.facts['booking']} confirmed", ", ".join(booked) or "no booking"
    price = answer.facts.get("price")
    if isinstance(price, Money) and kept != price.minor:
        return f"{price.minor} kept, as the answer says", f"{kept}"
    return None


def _booked(checkout: str, state: DurableState) -> list[str]:
    return [row.id for row in state.bookings if row.checkout == checkout and row.status == "confirmed"]
