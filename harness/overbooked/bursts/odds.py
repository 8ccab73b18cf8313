"""The probability that many rounds of a burst detect a defect."""

from __future__ import annotations


def odds(per_round: float, rounds: int) -> float:
    """Return the probability that at least one of `rounds` independent rounds shows a defect.

    Args:
        per_round: the probability that one round shows it.
        rounds: number of rounds.

    Raises:
        ValueError: `per_round` is not a probability.
    """
    if not 0 <= per_round <= 1:
        raise ValueError(f"a probability is between 0 and 1, got {per_round}")
    return float(1 - (1 - per_round) ** rounds)
