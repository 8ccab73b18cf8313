"""Places: never more sold than there are, and those sold are those that were promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from overbooked.errors import GapFound
from overbooked.oracles.answers import told
from overbooked.targets.adapter import Answer, BookingRow, DurableState, Slot


def sold_at_most(
    capacity: int,
    answers: Iterable[Answer] = (),
    *,
    state: DurableState | None = None,
    slot: Slot | str | None = None,
) -> None:
    """Never more bookings than capacity, by what clients were told and by what the database holds.

    Args:
        capacity: the places of one slot.
        answers: to requests for a place on that slot, none of which was given back.
        state: durable state to look at as well; holds that live take a place too.
        slot: the slot meant, where the state has several.
    """
    winners = [answer for answer in answers if answer.ok]
    if len(winners) > capacity:
        raise GapFound(
            "more bookings than capacity",
            expected=f"at most {capacity} told that they have a place",
            observed=f"{len(winners)} were",
            operations=[told(answer) for answer in winners[:10]],
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
    """A slot has no more confirmed bookings than places, as the database counts both."""
    if booked > capacity:
        raise GapFound(
            "more bookings than capacity",
            expected=f"at most {capacity} confirmed bookings on the slot",
            observed=f"{booked} in the database",
            details={"slot": slot.id if isinstance(slot, Slot) else slot},
        )


def confirmed(state: DurableState, slot: Slot | str | None = None) -> list[BookingRow]:
    """The confirmed bookings, of one slot where it is named."""
    wanted = slot.id if isinstance(slot, Slot) else slot
    return [
        row for row in state.bookings if row.status == "confirmed" and (wanted is None or row.slot == wanted)
    ]


def kept_promises(
    promised: Sequence[str], state: DurableState, *, in_doubt: int = 0, slot: Slot | str | None = None
) -> None:
    """Every booking that a client was promised is there, once, and no other beyond those in doubt.

    Args:
        promised: ids of bookings acknowledged and not given back since.
        in_doubt: how many requests ended without an answer; each may have made a booking.
    """
    found = Counter(row.id for row in confirmed(state, slot))
    lost = [booking for booking in promised if found[booking] != 1]
    if lost:
        raise GapFound(
            "an acknowledged booking is not in the database",
            expected=f"each of {len(promised)} acknowledged bookings confirmed once",
            observed=f"{len(lost)} are not",
            operations=[f"booking {booking}: {found[booking]} confirmed rows" for booking in lost[:10]],
        )
    surplus = sorted(set(found) - set(promised))
    if len(surplus) > in_doubt:
        raise GapFound(
            "a booking is in the database that nobody was told of",
            expected=f"at most {in_doubt} beside the {len(promised)} acknowledged",
            observed=f"{len(surplus)}",
            operations=[f"booking {booking}" for booking in surplus[:10]],
        )


def _line(row: BookingRow) -> str:
    return f"booking {row.id} of {row.customer} on {row.slot}: {row.status}"
