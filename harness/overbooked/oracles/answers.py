"""Checks of answers: refusals are clear, and retries get equal answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overbooked.errors import GapFound
from overbooked.targets.adapter import Answer
from overbooked.targets.answer_summary import json_facts


def describe(answer: Answer) -> str:
    """Return an answer in one line."""
    status = "no answer" if answer.status is None else str(answer.status)
    facts = " ".join(f"{name}={value}" for name, value in json_facts(answer.facts).items())
    return " ".join(part for part in (answer.outcome.value, status, facts, answer.problem) if part)


def others_refused(answers: Iterable[Answer], status: int = 409) -> None:
    """Every request that did not succeed was refused with the status: no error, no missing answer."""
    unclear = [answer for answer in answers if not answer.ok and not _refused_with(answer, (status,))]
    if unclear:
        raise GapFound(
            "a rejected request is not refused clearly",
            expected=f"every request that did not succeed refused with {status}",
            observed=f"{len(unclear)} were not; the first got {describe(unclear[0])}",
            operations=[describe(answer) for answer in unclear[:10]],
        )


def refused_with(answer: Answer, *statuses: int) -> None:
    """The answer is a refusal with one of the statuses."""
    if not _refused_with(answer, statuses):
        wanted = " or ".join(str(status) for status in statuses)
        raise GapFound(
            "a request that must be refused was not",
            expected=f"refused, {wanted}",
            observed=describe(answer),
        )


def accepted(answer: Answer, what: str = "a request that must succeed did not") -> None:
    """The answer is OK."""
    if not answer.ok:
        raise GapFound(what, expected="ok", observed=describe(answer))


def no_refusal_while_free(answers: Sequence[Answer], places: int) -> None:
    """No request was refused while places were free: as many succeeded as there were places, or all."""
    won = sum(answer.ok for answer in answers)
    doubtful = sum(answer.unknown for answer in answers)
    if won + doubtful < min(places, len(answers)):
        raise GapFound(
            "a request was refused while a place was free",
            expected=f"{min(places, len(answers))} of {len(answers)} requests get a place",
            observed=f"{won} did",
            operations=[describe(answer) for answer in answers if answer.refused][:10],
        )


def same_answer(first: Answer, again: Answer) -> None:
    """A retry gets the first answer: the same outcome, status and facts."""
    if (first.outcome, first.status, dict(first.facts)) != (again.outcome, again.status, dict(again.facts)):
        raise GapFound(
            "a retry with the same idempotency key got a different answer",
            expected=describe(first),
            observed=describe(again),
        )


def conclusive(answer: Answer) -> bool:
    """Return whether the client knows the outcome: done, or finally refused."""
    return not answer.unknown


def one_outcome(attempts: Sequence[Answer]) -> Answer | None:
    """All conclusive answers to the attempts of one request are equal. Return that answer.

    Returns None if no attempt was answered conclusively.
    """
    known = [answer for answer in attempts if conclusive(answer)]
    for again in known[1:]:
        same_answer(known[0], again)
    return known[0] if known else None


def _refused_with(answer: Answer, statuses: Sequence[int]) -> bool:
    return answer.refused and answer.status in statuses
