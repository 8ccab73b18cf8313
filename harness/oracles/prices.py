"""Prices: what a refusal tells of them."""

from __future__ import annotations

from harness.errors import GapFound
from harness.oracles.answers import told
from harness.targets.port import Answer, Money


def new_price_told(answer: Answer, price: Money) -> None:
    """A refusal names the price that holds now."""
    if answer.facts.get("price") != price:
        raise GapFound(
            "the refusal does not tell the new price",
            expected=f"{price.minor} {price.currency} (minor units)",
            observed=told(answer),
        )
