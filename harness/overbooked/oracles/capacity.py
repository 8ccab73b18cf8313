"""Checks of capacity: no more places sold than exist, and every acknowledged booking is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from overbooked.capabilities.booking import BookingRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.answers import describe
from overbooked.targets.adapter import Answer, Slot


def sold_at_most(
    capacity: int,
    answers: Iterable[Answer] = (),
    *,
    state: DurableState | None = None,
    slot: Slot | str | None = None,
) -> None:
    """There are no more bookings than the capacity, according to the answers and to the database.

    Args:
        capacity: the places of one slot.
        answers: answers to requests for a place on that slot; none of the bookings was cancelled.
        state: durable state to check as well; its confirmed bookings are counted.
        slot: the slot to check, if the state has several.
    """
    winners = [answer for answer in answers if answer.ok]
    if len(winners) > capacity:
        raise GapFound(
            "more bookings than capacity",
            expected=f"at most {capacity} successful booking{'' if capacity == 1 else 's'}",
            observed=f"{len(winners)}",
            operations=[describe(answer) for answer in winners[:10]],
        )
    if state is None:
        return
    rows = confirmed(state, slot)
    if len(rows) > capacity:
        raise GapFound(
            "more bookings than capacity",
            expected=f"at most {capacity} confirmed bookings on the slot",
            observed=f"{len(rows)} in the database",
            operations=[_line(row) for row in rows[:10]],
        )


def never_oversold(capacity: int, booked: int, *, slot: Slot | str) -> None:
    """A slot has no more confirmed bookings than places, according to the database."""
    if booked > capacity:
        raise GapFound(
            "more bookings than capacity",
            expected=f"at most {capacity} confirmed bookings on the slot",
            observed=f"{booked} in the database",
            details={"slot": slot.id if isinstance(slot, Slot) else slot},
        )


def no_place_lost(free: int, answers: Sequence[Answer], *, slot: Slot | str) -> None:
    """What nobody has can be bought: of these bookings as many succeed as places were free, and no more.

    Args:
        free: the places that nobody had booked or held.
        answers: answers to bookings one after another, more than `free`.
        slot: the slot, for the finding.
    """
    bought = sum(answer.ok for answer in answers)
    if bought != max(0, free):
        lost = bought < free
        raise GapFound(
            "a place is lost: nobody has it, and it cannot be bought"
            if lost
            else "more bookings than capacity",
            expected=f"{max(0, free)} of the next {len(answers)} bookings succeed",
            observed=f"{bought} did",
            operations=[describe(answer) for answer in answers[:10]],
            details={"slot": slot.id if isinstance(slot, Slot) else slot},
        )


def every_place_is_sold(state: DurableState, *, capacity: int) -> None:
    """As many bookings are confirmed as there are places, after somebody tried to book each of them."""
    sold = len(confirmed(state))
    if sold != capacity:
        raise GapFound(
            "a place is lost" if sold < capacity else "more places are sold than there are",
            expected=f"{capacity} confirmed bookings after every free place was asked for",
            observed=f"{sold}",
            operations=[_line(row) for row in state.bookings],
        )


def confirmed(state: DurableState, slot: Slot | str | None = None) -> list[BookingRow]:
    """Return the confirmed bookings, of one slot if it is given."""
    wanted = slot.id if isinstance(slot, Slot) else slot
    return [
        row for row in state.bookings if row.status == "confirmed" and (wanted is None or row.slot == wanted)
    ]


def acknowledged_bookings_exist(
    promised: Sequence[str], state: DurableState, *, in_doubt: int = 0, slot: Slot | str | None = None
) -> None:
    """Every acknowledged booking is recorded once, and at most `in_doubt` others are.

    Args:
        promised: ids of bookings that were acknowledged and not cancelled since.
        in_doubt: the number of requests without an answer; each may have made a booking.
    """
    found = Counter(row.id for row in confirmed(state, slot))
    lost = [booking for booking in promised if found[booking] != 1]
    if lost:
        raise GapFound(
            "an acknowledged booking is not in the database",
            expected=f"each of {len(promised)} acknowledged bookings confirmed once",
            observed=f"{len(lost)} are not confirmed once",
            operations=[f"booking {booking}: {found[booking]} confirmed rows" for booking in lost[:10]],
        )
    surplus = sorted(set(found) - set(promised))
    if len(surplus) > in_doubt:
        raise GapFound(
            "the database has a booking that no client was told of",
            expected=f"at most {in_doubt} in addition to the {len(promised)} acknowledged",
            observed=f"{len(surplus)}",
            operations=[f"booking {booking}" for booking in surplus[:10]],
        )


def _line(row: BookingRow) -> str:
    return f"booking {row.id} of {row.customer} on {row.slot}: {row.status}"
