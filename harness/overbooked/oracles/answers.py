"""What clients were told: refusals that are clear, repeats that agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overbooked.errors import GapFound
from overbooked.targets.adapter import Answer
from overbooked.targets.answer_summary import json_facts


def told(answer: Answer) -> str:
    """An answer in one line."""
    status = "no answer" if answer.status is None else str(answer.status)
    facts = " ".join(f"{name}={value}" for name, value in json_facts(answer.facts).items())
    return " ".join(part for part in (answer.outcome.value, status, facts, answer.problem) if part)


def losers_are_told(answers: Iterable[Answer], status: int = 409) -> None:
    """Everyone who did not win was refused, clearly: with the status, not with an error or silence."""
    unclear = [answer for answer in answers if not answer.ok and not _refused_with(answer, (status,))]
    if unclear:
        raise GapFound(
            "a loser is not told clearly",
            expected=f"every loser answered {status}",
            observed=f"{len(unclear)} otherwise, the first: {told(unclear[0])}",
            operations=[told(answer) for answer in unclear[:10]],
        )


def refused_with(answer: Answer, *statuses: int) -> None:
    """The answer is a refusal with one of the statuses."""
    if not _refused_with(answer, statuses):
        wanted = " or ".join(str(status) for status in statuses)
        raise GapFound(
            "a request that must be refused was not", expected=f"refused, {wanted}", observed=told(answer)
        )


def accepted(answer: Answer, what: str = "a request that must succeed did not") -> None:
    """The answer is OK."""
    if not answer.ok:
        raise GapFound(what, expected="ok", observed=told(answer))


def nobody_refused_in_vain(answers: Sequence[Answer], places: int) -> None:
    """While places were left nobody was refused: as many won as there were places, or all did."""
    won = sum(answer.ok for answer in answers)
    doubtful = sum(answer.unknown for answer in answers)
    if won + doubtful < min(places, len(answers)):
        raise GapFound(
            "somebody was refused a place that was free",
            expected=f"{min(places, len(answers))} of {len(answers)} get a place",
            observed=f"{won} do",
            operations=[told(answer) for answer in answers if answer.refused][:10],
        )


def same_answer(first: Answer, again: Answer) -> None:
    """A repeat gets the first answer: same outcome, same status, same facts."""
    if (first.outcome, first.status, dict(first.facts)) != (again.outcome, again.status, dict(again.facts)):
        raise GapFound(
            "a repeat with the same idempotency key got another answer",
            expected=told(first),
            observed=told(again),
        )


def conclusive(answer: Answer) -> bool:
    """Whether the client knows how it ended: done, or refused for good."""
    return not answer.unknown


def one_outcome(attempts: Sequence[Answer]) -> Answer | None:
    """All conclusive answers among repeats of one request are the same one; returns it.

    None when no attempt was answered conclusively.
    """
    known = [answer for answer in attempts if conclusive(answer)]
    for again in known[1:]:
        same_answer(known[0], again)
    return known[0] if known else None


def _refused_with(answer: Answer, statuses: Sequence[int]) -> bool:
    return answer.refused and answer.status in statuses
