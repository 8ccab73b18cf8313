"""HARD-02: a quote is requested while an operator replaces the price in two successive changes."""

from __future__ import annotations

from overbooked.scenario import Actor, Customer, Explorer, Judge, Money, Races, System, gap, never_dearer

_BEFORE = Money(2500)
_AFTER = Money(3100)
# The way of repricing that lowers the base price and ends the rebate on it.
_WAY = "rule ended"


async def replaced(system: System, judge: Judge, ana: Customer) -> Races:
    """A customer asks for a quote while an operator changes base price and rebate."""

    async def reprice(_: int) -> None:
        await system.pricing.reprice(slot, _WAY, _AFTER)

    while True:
        slot = await system.open_slot(price=_BEFORE, private_venue=True)
        ran = yield [ana.checks_out(slot)[0].build({}), Actor("operator", "reprice", reprice)]
        with judge("HARD-02.a"):
            for answer in ran.answers:
                never_dearer(answer, _BEFORE, _AFTER)


@gap("HARD-02.a")
async def test_a_price_that_never_held_is_quoted_in_no_order(
    system: System, explorer: Explorer, judge: Judge, ana: Customer
) -> None:
    await explorer.explore(replaced, system, judge, ana)
