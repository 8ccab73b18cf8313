"""Checks for systems that answer every request OK and must have exactly one booking."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.answers import describe
from overbooked.oracles.capacity import confirmed
from overbooked.targets.adapter import Answer, Slot
from overbooked.targets.errors import TargetError


def exactly_one_exists(
    answers: Sequence[Answer],
    exist: int,
    *,
    state: DurableState | None = None,
    slot: Slot | str | None = None,
) -> None:
    """Every OK answer names the same booking, and that booking exists once.

    It replaces `sold_at_most` and `others_refused` for systems that refuse no request: every request is
    answered with the booking that one of them made.

    Args:
        answers: answers to requests for the same place.
        exist: the number of confirmed bookings afterwards (`System.places`).
        state: durable state to check as well.
        slot: the slot to check, if the state has several.

    Raises:
        GapFound: no booking or several exist, or an answer names a different one.
        TargetError: no answer was OK, so nothing was exercised.
    """
    winners = [answer for answer in answers if answer.ok]
    if not winners:
        raise TargetError(
            "no request was answered OK, although this system is declared to answer each OK; check the "
            "adapter. "
            f"The first answer: {describe(answers[0]) if answers else 'none'}"
        )
    ids = sorted({str(answer.facts.get("booking")) for answer in winners})
    operations = [describe(answer) for answer in winners[:10]]
    if exist != 1:
        raise GapFound(
            "not exactly one booking exists",
            expected="one booking for all OK answers",
            observed=f"{exist}",
            operations=operations,
        )
    if len(ids) != 1:
        raise GapFound(
            "clients got different bookings where one exists",
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
