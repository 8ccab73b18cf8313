"""SYS-04: the amount charged is the amount quoted, for any price, currency and rounding."""

from __future__ import annotations

import random

from overbooked.scenario import (
    Budget,
    Customer,
    Judge,
    System,
    accepted,
    booking_methods,
    gap,
    is_bought,
    money,
    properties,
)

# Sales that run at the same time.
AT_ONCE = 4
# Currencies of each number of decimals that a run with few examples takes.
CURRENCIES = 8


@gap("SYS-04.b")
async def test_the_charge_equals_the_quote_to_the_minor_unit(
    system: System, ana: Customer, judge: Judge, rng: random.Random, budget: Budget, seed: int
) -> None:
    async def buys(sale: money.Sale) -> None:
        slot = await system.pricing.open_priced_slot(
            price=sale.price, percent=sale.percent, rounding=sale.rounding
        )
        bought = await system.walk(ana.checks_out(slot, method=sale.method))
        accepted(bought.last, "a quoted price could not be paid")
        answers = list(bought.answers.values())
        await is_bought(system, ana, slot, answers, bought.facts, sale.method)

    known = system.pricing.currencies, system.pricing.roundings, booking_methods(system)
    edges = money.edge_sales(
        *known,
        dearest=system.pricing.dearest_minor,
        rng=rng,
        most_currencies=max(CURRENCIES, budget.examples // 10),
    )
    judge.note("currencies", sorted({sale.price.currency for sale in edges}))
    judge.note("roundings", list(system.pricing.roundings))
    await properties.check(
        money.sales(*known),
        buys,
        always=edges,
        at_once=AT_ONCE,
        examples=budget.examples,
        seed=seed,
        judge=judge,
    )
