"""What a reconciliation run makes of each kind of difference, as the policy says (SYS-R5.b, SYS-R5.c)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from overbooked.errors import GapFound, HarnessError
from overbooked.oracles.capacity import sold_at_most
from overbooked.oracles.effects import nothing_changed, provider_and_records_agree
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import ledger_pairs
from overbooked.oracles.reconciliation import dead_letters_about, put_before_a_person
from overbooked.targets.adapter import ChargeRow, Discrepancy, DurableState


class Money(Enum):
    """What a repair does to the money at the provider."""

    STAYS = "as it was"
    TAKEN = "captured once, whole"
    NOT_TAKEN = "not captured"
    GIVEN_BACK = "given back whole"
    REFUNDED_AS_RECORDED = "refunded as much as the service had recorded"
    SURPLUS_GIVEN_BACK = "the later charge given back, the earlier one as it was"


@dataclass(frozen=True, slots=True)
class Policy:
    """The end that a difference is to be brought to.

    Args:
        booked: whether its checkout has a confirmed booking; None where there is no checkout.
        money: what becomes of its charges.
    """

    booked: bool | None
    money: Money


POLICY: Mapping[str, Policy] = {
    "captured there, unknown here": Policy(True, Money.STAYS),
    "captured there, unknown here, place taken": Policy(False, Money.GIVEN_BACK),
    "booked here, not captured there": Policy(True, Money.TAKEN),
    "booked here, authorisation lapsed": Policy(False, Money.NOT_TAKEN),
    "refunded there only": Policy(True, Money.STAYS),
    "refunded here only": Policy(True, Money.REFUNDED_AS_RECORDED),
    "captured twice there": Policy(True, Money.SURPLUS_GIVEN_BACK),
    "recorded twice here": Policy(True, Money.STAYS),
    "ledger pair missing": Policy(True, Money.STAYS),
    "hold orphaned": Policy(None, Money.STAYS),
}
# What is not in the policy is a person's to decide.
LEFT_TO_A_PERSON = frozenset({"amount differs"})
# Somebody else can have the place afterwards.
FREES_ITS_PLACE = frozenset({"booked here, authorisation lapsed", "hold orphaned"})


def dealt_with(one: Discrepancy, before: DurableState, after: DurableState) -> None:
    """The difference is repaired as the policy says or, where it says nothing, left to a person."""
    if one.kind in LEFT_TO_A_PERSON:
        left_to_a_person(one, before, after)
    else:
        repaired(one, before, after)


def repaired(one: Discrepancy, before: DurableState, after: DurableState) -> None:
    """Both sides say the same of it now, and what the policy wants them to say; nobody is troubled.

    A refund that is pending at the provider is money on its way back; the records may differ from the
    provider's until it has arrived.

    Args:
        one: planted on a slot of its own (`facts["slot"]`).
        before: durable state after it was planted.
        after: durable state after a whole reconciliation run.

    Raises:
        GapFound: naming the kind, what was expected and what is there instead.
    """
    policy, was, now = _policy(one), about(one, before), about(one, after)
    try:
        no_hold_left(now)
        sold_at_most(1, state=now)
        _booked(policy, one, now)
        _money(policy, one, was, now)
        _nothing_beyond_the_provider(now)
        if not any(charge.refund_pending_minor for charge in now.charges):
            provider_and_records_agree(now)
            ledger_pairs(now)
    except GapFound as gap:
        raise GapFound(
            f"{one.kind}: {gap.what}",
            expected=gap.expected,
            observed=gap.observed,
            operations=gap.operations,
            details={**gap.details, "kind": one.kind, "subject": one.subject},
        ) from gap
    letters = dead_letters_about(one.subject, after)
    if letters:
        raise GapFound(
            f"{one.kind}: a person is troubled with what the policy repairs",
            expected=f"no dead letter about {one.subject}",
            observed=", ".join(letter.reason for letter in letters),
        )


def left_to_a_person(one: Discrepancy, before: DurableState, after: DurableState) -> None:
    """It lies in the dead-letter queue, once, and neither a record nor money changed."""
    was, now = about(one, before), about(one, after)
    nothing_changed(replace(was, dead_letters=()), replace(now, dead_letters=()))
    put_before_a_person(one, after)


def about(one: Discrepancy, state: DurableState) -> DurableState:
    """What durable state says of one difference: of its slot, of its checkout and of its subject.

    A row of a kind that names none of the three is kept: it may be about this difference.
    """
    named = {
        "slot": str(one.facts["slot"]),
        "checkout": one.facts.get("checkout", "no checkout"),
        "subject": one.subject,
    }

    def belongs(row: object) -> bool:
        """By the first of the three that the row names."""
        said = next((name for name in named if hasattr(row, name)), None)
        return said is None or getattr(row, said) == named[said]

    return state.only(belongs)


def _policy(one: Discrepancy) -> Policy:
    if one.kind not in POLICY:
        raise HarnessError(f"no policy for {one.kind!r}; there is one for {', '.join(POLICY)}")
    return POLICY[one.kind]


def _booked(policy: Policy, one: Discrepancy, now: DurableState) -> None:
    if policy.booked is None:
        return
    checkout = one.facts["checkout"]
    booked = [row for row in now.bookings if row.checkout == checkout and row.status == "confirmed"]
    if len(booked) != int(policy.booked):
        raise GapFound(
            "its booking is not as the policy says",
            expected=f"{int(policy.booked)} confirmed booking for checkout {checkout}",
            observed=f"{len(booked)}",
            operations=[f"booking {row.id}: {row.status}" for row in now.bookings],
        )


def _money(policy: Policy, one: Discrepancy, was: DurableState, now: DurableState) -> None:
    wanted = {row.id: row for row in (_wanted(policy.money, one, was, charge) for charge in was.charges)}
    found = {row.id: _arrived(row) for row in now.charges}
    wrong = [id_ for id_ in {**wanted, **found} if wanted.get(id_) != found.get(id_)]
    if wrong:
        raise GapFound(
            "its money at the provider is not as the policy says",
            expected=f"{policy.money.value}: {_line(wanted.get(wrong[0]))}",
            observed=_line(found.get(wrong[0])),
            operations=[f"it was {_line(row)}" for row in was.charges],
        )


def _arrived(charge: ChargeRow) -> ChargeRow:
    """The charge once what is on its way back has arrived."""
    given_back = charge.refunded_minor + charge.refund_pending_minor
    return replace(charge, refunded_minor=given_back, refund_pending_minor=0)


def _wanted(money: Money, one: Discrepancy, was: DurableState, charge: ChargeRow) -> ChargeRow:
    """What a charge should have become."""
    match money:
        case Money.TAKEN:
            return replace(charge, captured_minor=int(one.facts["price_minor"]), captures=1)
        case Money.NOT_TAKEN:
            return replace(charge, captured_minor=0, captures=0)
        case Money.GIVEN_BACK:
            return replace(charge, refunded_minor=charge.captured_minor)
        case Money.REFUNDED_AS_RECORDED:
            recorded = sum(row.refunded_minor for row in was.payments if row.charge == charge.id)
            return replace(charge, refunded_minor=recorded)
        case Money.SURPLUS_GIVEN_BACK if charge.id == one.facts["surplus"]:
            return replace(charge, refunded_minor=charge.captured_minor)
        case _:
            return charge


def _nothing_beyond_the_provider(now: DurableState) -> None:
    known = {charge.id for charge in now.charges}
    stray = [row for row in now.payments if row.charge not in known and row.captured_minor > 0]
    if stray:
        raise GapFound(
            "a payment is on record of which the provider knows nothing",
            expected="one charge behind each captured payment",
            observed=f"payment {stray[0].id} of charge {stray[0].charge}, captured {stray[0].captured_minor}",
        )


def _line(charge: ChargeRow | None) -> str:
    if charge is None:
        return "no such charge"
    return (
        f"charge {charge.id}: captured {charge.captured_minor} in {charge.captures}, "
        f"given back {charge.refunded_minor}"
    )
