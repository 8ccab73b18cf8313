"""A round of a race, and what many rounds prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overbooked.histories.history import History
from overbooked.targets.adapter import Action, Answer, Slot


@dataclass(frozen=True, slots=True)
class Round:
    """What is released together, and what the check wants to know of it.

    Args:
        actions: one a connection, released at once.
        slots: the slots they race for, as they were opened.
        facts: whatever else the check needs.
    """

    actions: Sequence[Action]
    slots: Sequence[Slot] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Played:
    """A round after it was played.

    `answers` are in the order of the round's actions; `history` has every operation since the round
    was begun to be made, its preparation included.
    """

    number: int
    round: Round
    answers: Sequence[Answer]
    history: History

    @property
    def slots(self) -> Sequence[Slot]:
        return self.round.slots

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.round.facts

    def of(self, *verbs: str) -> list[Answer]:
        """The answers to the actions with one of these verbs."""
        return [
            answer
            for action, answer in zip(self.round.actions, self.answers, strict=True)
            if action.verb in verbs
        ]


def odds(per_round: float, rounds: int) -> float:
    """The chance that at least one of `rounds` independent rounds shows what each shows with `per_round`.

    Raises:
        ValueError: `per_round` is no probability.
    """
    if not 0 <= per_round <= 1:
        raise ValueError(f"a probability is between 0 and 1, got {per_round}")
    return float(1 - (1 - per_round) ** rounds)
