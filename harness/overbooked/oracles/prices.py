"""Checks of prices in answers."""

from __future__ import annotations

from collections.abc import Iterable

from overbooked.errors import GapFound
from overbooked.oracles.answers import describe
from overbooked.targets.adapter import Answer, Money


def new_price_told(answer: Answer, price: Money) -> None:
    """A refusal names the current price."""
    if answer.facts.get("price") != price:
        raise GapFound(
            "the refusal does not name the new price",
            expected=f"{price.minor} {price.currency} (minor units)",
            observed=describe(answer),
        )


def price_kept(answers: Iterable[Answer], price: Money) -> None:
    """Every answer that names a price names this one."""
    for answer in answers:
        if answer.ok and answer.facts.get("price", price) != price:
            raise GapFound(
                "a customer is told a price other than the quoted one",
                expected=f"{price.minor} {price.currency} (minor units)",
                observed=describe(answer),
            )


def never_dearer(answer: Answer, *prices: Money) -> None:
    """An answer asks for no more than the highest price that was valid during the request.

    Args:
        answer: the answer to a request for a price; a refusal has none and passes.
        prices: the valid prices; at least one, all of one currency.
    """
    highest = max(prices, key=lambda price: price.minor)
    asked = answer.facts.get("price")
    if answer.ok and (not isinstance(asked, Money) or asked.minor > highest.minor):
        raise GapFound(
            "a client was asked for a price that was never valid",
            expected=f"at most {highest.minor} {highest.currency} (minor units)",
            observed=describe(answer),
        )
