"""HARD-01: a session that is ended while another request looks it up stays ended."""

from __future__ import annotations

from itertools import cycle

from overbooked.scenario import Actor, Explorer, Judge, Races, System, gap, refused_with

# Number of races that may run concurrently, each with a session of its own.
_PEOPLE = 10


async def ended(system: System, judge: Judge) -> Races:
    """A session is looked up while another tab uses it and an operator then ends it."""

    async def ask_and_end(replica: int) -> None:
        await system.do(quote, replica=replica)
        await system.sessions.revoke_session(ana)

    slot = await system.open_slot()
    for ana in cycle(await system.customers(_PEOPLE)):
        await system.sessions.log_in(ana)  # a session that no request has looked up yet
        quote = ana.checks_out(slot)[0].build({})
        yield [quote, Actor("another tab, then the operator", "ask, end session", ask_and_end)]
        with judge("HARD-01.a"):
            refused_with(await system.do(quote), 401)


@gap("HARD-01.a")
async def test_a_session_that_was_ended_stays_so_in_every_order(
    system: System, explorer: Explorer, judge: Judge
) -> None:
    await explorer.explore(ended, system, judge)
