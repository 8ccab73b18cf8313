"""SYS-R5.e: reconciliation is killed at various moments and started again; nothing is repaired twice."""

from __future__ import annotations

import random
from collections.abc import Mapping

from overbooked.scenario import (
    LEFT_TO_A_PERSON,
    OTHERS,
    REFUNDS,
    Budget,
    Faults,
    Judge,
    Stack,
    System,
    count_messages,
    gap,
    kill_at_message,
    moments,
    nothing_changed,
    plant,
    settle_and_hold,
)

# The links whose messages make a run take effect.
LINKS = ("app->postgres", "app->payments")
# Each kill costs a start of the service, so it gets 1 / SHARE of the profile's moments, spread over a run
# that meets a difference of every kind.
SHARE = 2


@gap("SYS-R5.e")
async def test_a_run_that_is_killed_and_started_again_ends_like_a_whole_one(
    system: System, stack: Stack, faults: Faults, judge: Judge, budget: Budget, rng: random.Random
) -> None:
    kinds = (*REFUNDS, *OTHERS)
    run = system.reconciliation.reconcile
    await settle_and_hold(system)
    # Refunds that a killed run has sent are still pending during the next run.
    await system.reconciliation.delay_refunds(True)
    left = await plant(system, LEFT_TO_A_PERSON)

    # A run that is killed at its first message has no effect, so the messages of the next run are those of a
    # complete one.
    killed = [await plant(system, kinds)]
    await kill_at_message(faults, LINKS[0], 1, run)
    whole = await count_messages(stack, LINKS, run)
    judge.note("messages of a whole run", whole)
    judge.count("moments")
    await killed[0].assert_repaired()
    left_as = await left.state()
    further = max(1, budget.moments // SHARE - 1)
    for moment in moments(further, sum(whole.values()), rng):
        killed.append(await plant(system, kinds))
        await kill_at_message(faults, *nth_message(whole, moment), run)
        await system.reconciliation.reconcile()
        await killed[-1].assert_repaired()
        judge.count("moments")

    # Refunds succeed now, which shows any that was sent twice.
    await system.jobs.recover()
    for planted in killed:
        await planted.assert_repaired()
    nothing_changed(left_as, await left.state())
    await left.clear()


def nth_message(whole: Mapping[str, int], moment: int) -> tuple[str, int]:
    """Return the link and the message number on it for a moment counted over all links."""
    for link, messages in whole.items():
        if moment <= messages:
            return link, moment
        moment -= messages
    raise ValueError(f"a run has {sum(whole.values())} messages")
