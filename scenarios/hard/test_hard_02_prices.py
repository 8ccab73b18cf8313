"""HARD-02: what a slot costs is asked while its price is made up anew, in two changes one after the other."""

from __future__ import annotations

from overbooked.scenario import Actor, Explore, Money, Race, Ran, System, gap, never_dearer

_BEFORE = Money(2500)
_AFTER = Money(3100)
# Where prices can change this way: a base price is lowered and the rebate on it ends.
_WAY = "rule ended"


@gap("HARD-02.a")
async def test_a_price_that_never_held_is_quoted_in_no_order(system: System, explore: Explore) -> None:
    (ana,) = await system.customers(1)

    async def made_up_anew() -> Race:
        slot = await system.open_slot(price=_BEFORE, private_venue=True)

        async def reprice(_: int) -> None:
            await system.reprice(slot, _WAY, _AFTER)

        return Race(
            [ana.checks_out(slot)[0].build({}), Actor("operator", "reprice", reprice)],
            always=[it_held],
        )

    async def it_held(ran: Ran) -> None:
        for answer in ran.told:
            never_dearer(answer, _BEFORE, _AFTER)

    await explore.interleavings(made_up_anew)
