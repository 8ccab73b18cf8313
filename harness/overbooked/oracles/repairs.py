"""Checks that a reconciliation run repairs each kind of discrepancy as the policy requires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from overbooked.capabilities import differences
from overbooked.capabilities.checkout import ChargeRow, HoldRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.reconciliation import Discrepancy
from overbooked.errors import GapFound, HarnessError
from overbooked.oracles.capacity import sold_at_most
from overbooked.oracles.effects import nothing_changed, provider_and_records_agree
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import ledger_pairs
from overbooked.oracles.payments import states_fit_amounts
from overbooked.oracles.reconciliation import dead_letters_about, put_before_a_person


class MoneyOutcome(Enum):
    """The effect of a repair on the money at the provider."""

    STAYS = "unchanged"
    TAKEN = "captured once, in full"
    NOT_TAKEN = "not captured"
    GIVEN_BACK = "refunded in full"
    REFUNDED_AS_RECORDED = "refunded by the amount that the service had recorded"
    SURPLUS_GIVEN_BACK = "the later charges refunded, the earlier one unchanged"


@dataclass(frozen=True, slots=True)
class RepairPolicy:
    """The required result of a repair.

    Args:
        booked: whether the checkout must have a confirmed booking; None: as before.
        money: the required result for the charges.
        frees_place: whether the place must be free afterwards.
    """

    booked: bool | None
    money: MoneyOutcome
    frees_place: bool = False


POLICY: Mapping[str, RepairPolicy] = {
    differences.BOOK: RepairPolicy(True, MoneyOutcome.STAYS),
    differences.REFUND: RepairPolicy(False, MoneyOutcome.GIVEN_BACK),
    differences.CAPTURE: RepairPolicy(True, MoneyOutcome.TAKEN),
    differences.CANCEL: RepairPolicy(False, MoneyOutcome.NOT_TAKEN, frees_place=True),
    differences.RECORD: RepairPolicy(None, MoneyOutcome.STAYS),
    differences.RECORD_AND_CANCEL: RepairPolicy(False, MoneyOutcome.STAYS, frees_place=True),
    differences.SEND: RepairPolicy(None, MoneyOutcome.REFUNDED_AS_RECORDED),
    differences.RETURN: RepairPolicy(True, MoneyOutcome.SURPLUS_GIVEN_BACK),
    differences.REVERSE: RepairPolicy(None, MoneyOutcome.STAYS),
    differences.POST: RepairPolicy(None, MoneyOutcome.STAYS),
    differences.RELEASE: RepairPolicy(None, MoneyOutcome.STAYS, frees_place=True),
}
# The repair of a kind, for a discrepancy that does not say its own.
USUAL: Mapping[str, str] = {
    differences.UNKNOWN: differences.BOOK,
    differences.TAKEN: differences.REFUND,
    differences.UNCAPTURED: differences.CAPTURE,
    differences.LAPSED: differences.CANCEL,
    differences.THERE_ONLY: differences.RECORD,
    differences.HERE_ONLY: differences.SEND,
    differences.AMOUNT: differences.PERSON,
    differences.TWICE_THERE: differences.RETURN,
    differences.TWICE_HERE: differences.REVERSE,
    differences.NO_PAIR: differences.POST,
    differences.ORPHAN: differences.RELEASE,
}


def is_for_a_person(one: Discrepancy) -> bool:
    """Whether the policy leaves a discrepancy to a person."""
    return repair_of(one) == differences.PERSON


def frees_its_place(one: Discrepancy) -> bool:
    """Whether the place must be free after the repair."""
    return not is_for_a_person(one) and _policy(one).frees_place


def repair_of(one: Discrepancy) -> str:
    """Return the required repair of a discrepancy, one of the constants of `differences`."""
    repair = one.repair or USUAL.get(one.kind, "")
    if repair not in POLICY and repair != differences.PERSON:
        raise HarnessError(
            f"no policy for {repair or one.kind!r}; there is one for {', '.join([*USUAL, *POLICY])}"
        )
    return repair


def dealt_with(one: Discrepancy, before: DurableState, after: DurableState) -> None:
    """The discrepancy is repaired as the policy requires or, without a rule, queued for a person."""
    if is_for_a_person(one):
        left_to_a_person(one, before, after)
    else:
        repaired(one, before, after)


def repaired(one: Discrepancy, before: DurableState, after: DurableState) -> None:
    """Both sides agree as the policy requires, and nothing is queued for manual resolution.

    While a refund is pending at the provider, the records may differ from the provider's.

    Args:
        one: a discrepancy planted on a separate slot (`facts["slot"]`).
        before: durable state after it was planted.
        after: durable state after a complete reconciliation run.

    Raises:
        GapFound: the repair differs from the policy; names the kind, the expected and the observed result.
    """
    policy, was, now = _policy(one), about(one, before), about(one, after)
    try:
        no_hold_left(replace(now, holds=_own_holds(one, now)))
        sold_at_most(1, state=now)
        _booked(policy, one, was, now)
        _money(policy, one, was, now)
        _nothing_beyond_the_provider(now)
        states_fit_amounts(now)
        _currencies(now)
        if not any(charge.refund_pending_minor for charge in now.charges):
            provider_and_records_agree(now)
            ledger_pairs(now)
    except GapFound as gap:
        raise GapFound(
            f"{one.label}: {gap.what}",
            expected=gap.expected,
            observed=gap.observed,
            operations=gap.operations,
            details={**gap.details, **_details(one)},
        ) from gap
    letters = dead_letters_about(one.subject, after)
    if letters:
        raise GapFound(
            f"{one.label}: a discrepancy that the policy repairs is queued for manual resolution",
            expected=f"no dead letter about {one.subject}",
            observed=", ".join(letter.reason for letter in letters),
        )


def left_to_a_person(one: Discrepancy, before: DurableState, after: DurableState) -> None:
    """The discrepancy is in the dead-letter queue once, and no record and no money changed."""
    untouched(one, before, after)
    put_before_a_person(one, after)


def untouched(one: Discrepancy, before: DurableState, after: DurableState) -> None:
    """No record and no money of a planted payment changed; dead letters may have."""
    was, now = about(one, before), about(one, after)
    try:
        nothing_changed(replace(was, dead_letters=()), replace(now, dead_letters=()))
    except GapFound as gap:
        raise GapFound(
            f"{one.label}: {gap.what}",
            expected=gap.expected,
            observed=gap.observed,
            operations=gap.operations,
            details={**gap.details, **_details(one)},
        ) from gap


def parted(ones: Iterable[Discrepancy], state: DurableState) -> Mapping[str, DurableState]:
    """Return the part of durable state about each of many discrepancies, by subject, in one pass."""
    by_name: dict[tuple[str, object], str] = {}
    for one in ones:
        by_name |= dict.fromkeys(_names(one).items(), one.subject)
    rows: dict[str, dict[str, list[Any]]] = {subject: {} for subject in by_name.values()}
    for kind, found in state.kinds().items():
        for row in found:
            said = next((name for name in _NAMES if hasattr(row, name)), None)
            subject = by_name.get((said, getattr(row, said))) if said else None
            for owner in [subject] if subject else [] if said else rows:
                rows[owner].setdefault(kind, []).append(row)
    return {
        subject: replace(state, **{kind: tuple(own.get(kind, ())) for kind in state.kinds()})
        for subject, own in rows.items()
    }


def about(one: Discrepancy, state: DurableState) -> DurableState:
    """Return the part of durable state about one discrepancy: its slot, its checkout and its subject.

    A row that names none of the three is kept, because it may belong to this discrepancy.
    """
    named = _names(one)

    def belongs(row: object) -> bool:
        """Compare the first of the three that the row names."""
        said = next((name for name in named if hasattr(row, name)), None)
        return said is None or getattr(row, said) == named[said]

    return state.only(belongs)


# What a row may name, and a discrepancy is known by.
_NAMES = ("slot", "checkout", "subject")


def _names(one: Discrepancy) -> Mapping[str, object]:
    return {
        "slot": str(one.facts["slot"]),
        "checkout": one.facts.get("checkout", "no checkout"),
        "subject": one.subject,
    }


def _details(one: Discrepancy) -> dict[str, object]:
    """Return what tells a planted payment from the others: shape, age, method."""
    said = {name: one.facts[name] for name in ("age_s", "method") if name in one.facts}
    return {"kind": one.kind, "shape": one.shape, "subject": one.subject, **said}


def _policy(one: Discrepancy) -> RepairPolicy:
    return POLICY[repair_of(one)]


def _booked(policy: RepairPolicy, one: Discrepancy, was: DurableState, now: DurableState) -> None:
    if "checkout" not in one.facts:
        return
    checkout = one.facts["checkout"]
    booked = _confirmed(now, checkout)
    wanted = _confirmed(was, checkout) if policy.booked is None else int(policy.booked)
    if booked != wanted:
        raise GapFound(
            "the booking is not as the policy requires",
            expected=f"{wanted} confirmed booking for checkout {checkout}",
            observed=f"{booked}",
            operations=[f"booking {row.id}: {row.status}" for row in now.bookings],
        )
    strangers = [
        row
        for row in now.bookings
        if row.checkout == checkout and row.customer != one.facts.get("customer", row.customer)
    ]
    if strangers:
        raise GapFound(
            "a booking was completed for somebody else",
            expected=f"booking {strangers[0].id} for customer {one.facts['customer']}",
            observed=f"for {strangers[0].customer}",
        )


def _own_holds(one: Discrepancy, now: DurableState) -> tuple[HoldRow, ...]:
    """Return the holds of its checkout and of none; another customer may hold the place."""
    if "checkout" not in one.facts:
        return now.holds
    own = (None, one.facts["checkout"])
    return tuple(hold for hold in now.holds if hold.checkout in own)


def _currencies(now: DurableState) -> None:
    """A payment is recorded in the currency of its charge."""
    charged = {charge.id: charge.currency for charge in now.charges}
    for row in now.payments:
        wanted = charged.get(row.charge or "", row.currency)
        if row.currency != wanted:
            raise GapFound(
                "a payment is recorded in another currency than its charge",
                expected=f"{wanted} for charge {row.charge}",
                observed=f"payment {row.id} in {row.currency}",
            )


def _confirmed(state: DurableState, checkout: object) -> int:
    return sum(row.checkout == checkout and row.status == "confirmed" for row in state.bookings)


def _money(policy: RepairPolicy, one: Discrepancy, was: DurableState, now: DurableState) -> None:
    wanted = {row.id: row for row in (_wanted(policy.money, one, was, charge) for charge in was.charges)}
    found = {row.id: _arrived(row) for row in now.charges}
    wrong = [id_ for id_ in {**wanted, **found} if wanted.get(id_) != found.get(id_)]
    if wrong:
        raise GapFound(
            "the money at the provider is not as the policy requires",
            expected=f"{policy.money.value}: {_line(wanted.get(wrong[0]))}",
            observed=_line(found.get(wrong[0])),
            operations=[f"before: {_line(row)}" for row in was.charges],
        )


def _arrived(charge: ChargeRow) -> ChargeRow:
    """Return the charge as if its pending refund had arrived."""
    given_back = charge.refunded_minor + charge.refund_pending_minor
    return replace(charge, refunded_minor=given_back, refund_pending_minor=0)


def _wanted(money: MoneyOutcome, one: Discrepancy, was: DurableState, charge: ChargeRow) -> ChargeRow:
    """Return the charge that the policy requires, with its pending refund as if it had arrived."""
    charge = _arrived(charge)
    match money:
        case MoneyOutcome.TAKEN if one.facts.get("to_capture", charge.id) == charge.id:
            return replace(charge, captured_minor=int(one.facts["price_minor"]), captures=1)
        case MoneyOutcome.NOT_TAKEN:
            return replace(charge, captured_minor=0, captures=0)
        case MoneyOutcome.GIVEN_BACK:
            return replace(charge, refunded_minor=charge.captured_minor)
        case MoneyOutcome.REFUNDED_AS_RECORDED if one.facts.get("owed_of", charge.id) == charge.id:
            return replace(charge, refunded_minor=charge.refunded_minor + _owed(one, was, charge))
        case MoneyOutcome.SURPLUS_GIVEN_BACK if charge.id in _surplus(one):
            return replace(charge, refunded_minor=charge.captured_minor)
        case _:
            return charge


def _owed(one: Discrepancy, was: DurableState, charge: ChargeRow) -> int:
    """Return what was refunded here only."""
    if "owed_minor" in one.facts:
        return int(one.facts["owed_minor"])
    recorded = sum(row.refunded_minor for row in was.payments if row.charge == charge.id)
    return recorded - charge.refunded_minor


def _surplus(one: Discrepancy) -> Sequence[str]:
    surplus = one.facts.get("surplus", ())
    return [surplus] if isinstance(surplus, str) else surplus


def _nothing_beyond_the_provider(now: DurableState) -> None:
    known = {charge.id for charge in now.charges}
    stray = [row for row in now.payments if row.charge not in known and row.captured_minor > 0]
    if stray:
        raise GapFound(
            "a recorded payment is unknown to the provider",
            expected="a charge for each captured payment",
            observed=f"payment {stray[0].id} of charge {stray[0].charge}, captured {stray[0].captured_minor}",
        )


def _line(charge: ChargeRow | None) -> str:
    if charge is None:
        return "no such charge"
    return (
        f"charge {charge.id}: captured {charge.captured_minor} in {charge.captures}, "
        f"refunded {charge.refunded_minor}"
    )
