"""Prices: what a refusal tells of them."""

from __future__ import annotations

from overbooked.errors import GapFound
from overbooked.oracles.answers import told
from overbooked.targets.adapter import Answer, Money


def new_price_told(answer: Answer, price: Money) -> None:
    """A refusal names the price that holds now."""
    if answer.facts.get("price") != price:
        raise GapFound(
            "the refusal does not tell the new price",
            expected=f"{price.minor} {price.currency} (minor units)",
            observed=told(answer),
        )


def never_dearer(answer: Answer, *prices: Money) -> None:
    """Nobody is asked for more than the highest of the prices that held while he asked.

    Args:
        answer: to a request for a price; a refusal asks for nothing.
        prices: at least one, of one currency.
    """
    highest = max(prices, key=lambda price: price.minor)
    asked = answer.facts.get("price")
    if answer.ok and (not isinstance(asked, Money) or asked.minor > highest.minor):
        raise GapFound(
            "a price is asked for that never held",
            expected=f"at most {highest.minor} {highest.currency} (minor units)",
            observed=told(answer),
        )
