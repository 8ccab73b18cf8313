"""HARD-01: a session is used in one tab and then ended while another looks it up; it is over for good."""

from __future__ import annotations

from itertools import cycle

from overbooked.scenario import Actor, Explore, Race, Ran, System, gap, refused_with

# So many may be at it side by side, each with a session of his own.
_PEOPLE = 10


@gap("HARD-01.a")
async def test_a_session_that_was_ended_stays_so_in_every_order(system: System, explore: Explore) -> None:
    slot = await system.open_slot()
    people = cycle(await system.customers(_PEOPLE))

    async def ended() -> Race:
        ana = next(people)
        await system.log_in(ana)  # nobody has looked this session up yet
        quote = ana.checks_out(slot)[0].build({})

        async def ask_and_end(replica: int) -> None:
            await system.do(quote, replica=replica)
            await system.revoke_session(ana)

        return Race(
            [quote, Actor("another tab, then the operator", "ask, end session", ask_and_end)],
            always=[it_is_over],
            facts={"again": quote},
        )

    async def it_is_over(ran: Ran) -> None:
        refused_with(await system.do(ran.facts["again"]), 401)

    await explore.interleavings(ended)
