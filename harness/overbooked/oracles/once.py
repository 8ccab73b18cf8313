"""One thing for everybody: systems that tell every caller OK, where one booking must exist."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.errors import GapFound
from overbooked.oracles.answers import told
from overbooked.oracles.capacity import confirmed
from overbooked.targets.adapter import Answer, DurableState, Slot
from overbooked.targets.errors import TargetFailed


def exactly_one_exists(
    answers: Sequence[Answer],
    exist: int,
    *,
    state: DurableState | None = None,
    slot: Slot | str | None = None,
) -> None:
    """Whoever was told OK was told of the same booking, and that one exists, once.

    It stands beside `sold_at_most` and `losers_are_told`, for systems that refuse nobody: what was made
    for one caller is what the others get.

    Args:
        answers: to requests for the same thing.
        exist: how many confirmed bookings of it there are afterwards (`System.places`).
        state: durable state to look at as well.
        slot: the slot meant, where the state has several.

    Raises:
        GapFound: none or several exist, or somebody was told of another.
        TargetFailed: nobody was told OK, so nothing was exercised.
    """
    winners = [answer for answer in answers if answer.ok]
    if not winners:
        raise TargetFailed(
            "nobody was told OK, where this system is said to tell everybody; check the adapter. "
            f"The first answer: {told(answers[0]) if answers else 'none'}"
        )
    ids = sorted({str(answer.facts.get("booking")) for answer in winners})
    operations = [told(answer) for answer in winners[:10]]
    if exist != 1:
        raise GapFound(
            "not exactly one booking exists",
            expected="one booking for all who were told OK",
            observed=f"{exist} exist",
            operations=operations,
        )
    if len(ids) != 1:
        raise GapFound(
            "callers were told of different bookings where one exists",
            expected="the same booking in every answer",
            observed=f"{len(ids)}: {', '.join(ids[:5])}",
            operations=operations,
        )
    if state is None:
        return
    rows = [row.id for row in confirmed(state, slot)]
    if rows != ids:
        raise GapFound(
            "not exactly one booking exists",
            expected=f"booking {ids[0]}, once",
            observed=f"in the database: {', '.join(rows) or 'none'}",
            operations=operations,
        )
