"""HARD-05: a payment stands still for longer than its lease, and recovery takes the checkout over."""

from __future__ import annotations

from harness import gap
from harness.explore.actors import Actor
from harness.explore.exploring import Explore
from harness.explore.race import Race, Ran
from harness.oracles.answers import one_outcome
from harness.oracles.money import nothing_charged
from harness.targets.system import System

_JOB = "recover_checkouts"
# Longer than any lease, shorter than an access token lives.
_PAUSE_S = 61


@gap("HARD-05.a")
async def test_who_was_overtaken_while_he_paused_charges_nothing_in_any_order(
    system: System, explore: Explore
) -> None:
    await system.recover()  # what others left is no part of this race
    (ana,) = await system.customers(1)
    await system.hold_deliveries()  # and neither is what the provider tells later

    async def paused() -> Race:
        await system.log_in(ana)
        slot = await system.open_slot(capacity=1)
        begun = await system.walk(ana.checks_out(slot), until="pay")
        checkout, key = str(begun.facts["checkout"]), ana.new_key()

        async def recover(_: int) -> None:
            await system.advance(_PAUSE_S)
            await system.run_job(_JOB)

        return Race(
            [ana.resumes(checkout, key=key), Actor("recovery", "take over", recover)],
            always=[the_answer_stands],
            facts={"checkout": checkout, "key": key},
        )

    async def the_answer_stands(ran: Ran) -> None:
        (answer,) = ran.told
        if answer.status == 401:  # too late to be let in: that answers nothing about the payment
            return
        await system.log_in(ana)
        again = await system.do(ana.resumes(ran.facts["checkout"], key=ran.facts["key"]))
        one_outcome([answer, again])
        if again.refused:
            nothing_charged(await system.state(checkouts=[ran.facts["checkout"]]))

    await explore.interleavings(paused, preemptions=1)
