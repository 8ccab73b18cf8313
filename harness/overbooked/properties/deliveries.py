"""Deliveries of a payment provider's events: late, repeated and in any order."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of an event, identified by its number in order of occurrence.

    `after_days` counts from the previous delivery. `again`: this event was delivered before.
    """

    event: int
    after_days: int
    again: bool


@st.composite
def deliveries(
    draw: st.DrawFn, *, events: int, repeats: int = 3, most_days: int = 6, lossless: bool = True
) -> tuple[Delivery, ...]:
    """Return a strategy of sequences of deliveries.

    Args:
        events: the number of events.
        repeats: the largest number of repeated deliveries in all.
        most_days: the longest time between two deliveries, in days.
        lossless: each event is delivered at least once; otherwise some may be lost.
    """
    if events < 1:
        raise ValueError(f"expected at least one event to deliver, found {events}")
    each = list(range(events))
    if not lossless:
        each = draw(st.lists(st.sampled_from(each), min_size=1, max_size=events, unique=True))
    extra = draw(st.lists(st.sampled_from(each), max_size=repeats))
    order = draw(st.permutations([*each, *extra]))
    seen: set[int] = set()
    sequence = []
    for event in order:
        # No delay shrinks best.
        after_days = draw(st.integers(0, most_days)) if draw(st.booleans()) else 0
        sequence.append(Delivery(event, after_days, event in seen))
        seen.add(event)
    return tuple(sequence)
