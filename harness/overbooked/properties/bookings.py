"""Sequences of booking operations by a few customers on a few slots."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

VERBS = ("book", "cancel", "reschedule", "resize")


@dataclass(frozen=True, slots=True)
class BookingStep:
    """One operation by the customer `who`; customers, slots and bookings are numbers.

    `slot` is the slot booked, moved to or resized; `booking` the number of the earlier step that booked
    (whether or not it succeeded: on a refused one there is nothing to cancel, and the step is skipped);
    `capacity` the new capacity of a resize. Fields that a verb does not use are 0.
    """

    verb: str
    who: int
    slot: int = 0
    booking: int = 0
    capacity: int = 0


@st.composite
def booking_sequences(
    draw: st.DrawFn,
    *,
    people: int = 3,
    slots: int = 2,
    most_capacity: int = 3,
    most_steps: int = 12,
    verbs: tuple[str, ...] = VERBS,
) -> tuple[BookingStep, ...]:
    """Return a strategy of up to `most_steps` steps; a booking is cancelled or moved by its customer."""
    unheard = set(verbs) - set(VERBS)
    if unheard or "book" not in verbs:
        raise ValueError(f"expected book and some of {', '.join(VERBS)}, found {', '.join(verbs)}")
    steps: list[BookingStep] = []
    booked: list[int] = []
    for number in range(draw(st.integers(1, most_steps))):
        verb = draw(st.sampled_from(verbs if booked else [v for v in verbs if v in {"book", "resize"}]))
        slot = draw(st.integers(0, slots - 1))
        if verb == "book":
            steps.append(BookingStep(verb, draw(st.integers(0, people - 1)), slot=slot))
            booked.append(number)
        elif verb == "resize":
            steps.append(BookingStep(verb, 0, slot=slot, capacity=draw(st.integers(0, most_capacity))))
        else:
            booking = draw(st.sampled_from(booked))
            to = slot if verb == "reschedule" else 0
            steps.append(BookingStep(verb, steps[booking].who, slot=to, booking=booking))
    return tuple(steps)
