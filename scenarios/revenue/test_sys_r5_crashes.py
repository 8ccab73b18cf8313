"""SYS-R5.e: reconciliation is killed at any moment and started again; nothing is repaired twice."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest

from overbooked.scenario import (
    EVERY_KIND,
    LEFT_TO_A_PERSON,
    Budget,
    Faults,
    Judge,
    Stack,
    System,
    TargetFailed,
    gap,
    moments,
    nothing_changed,
    plant,
    quiet,
)

# The messages by which a run takes effect.
LINKS = ("app->postgres", "app->provider")
# How long a run may take to come to a message that a run before it came to.
STRUCK_WITHIN_S = 10.0
# What is planted for each moment: few differences, so that the run is short and its moments are dense.
REFUNDS = ("refunded here only", "captured twice there", "refunded there only")
OTHERS = tuple(kind for kind in EVERY_KIND if kind not in (*REFUNDS, *LEFT_TO_A_PERSON))
# Each kill costs a start of the service; so many of the profile's moments go to each of the two.
SHARE = 3


@gap("SYS-R5.e")
@pytest.mark.parametrize("kinds", [REFUNDS, OTHERS], ids=["refunds", "others"])
async def test_a_run_that_is_killed_and_started_again_ends_like_a_whole_one(
    kinds: Sequence[str],
    system: System,
    stack: Stack,
    faults: Faults,
    judge: Judge,
    budget: Budget,
    rng: random.Random,
) -> None:
    await quiet(system)
    # What a killed run has sent is still on its way when the next one looks.
    await system.delay_refunds()
    left = await plant(system, LEFT_TO_A_PERSON)

    # Killed at its first message a run has done nothing: the one after it is whole, and counted.
    killed = [await plant(system, kinds)]
    await kill_a_run(system, faults, LINKS[0], 1)
    whole = await messages_of_a_run(system, stack)
    judge.note("messages of a whole run", whole)
    judge.count("moments")
    await killed[0].are_repaired()
    left_as = await left.state()
    further = max(1, budget.moments // SHARE - 1)
    for moment in moments(further, sum(whole.values()), rng):
        killed.append(await plant(system, kinds))
        await kill_a_run(system, faults, *nth_message(whole, moment))
        await system.reconcile()
        await killed[-1].are_repaired()
        judge.count("moments")

    # Refunds arrive, and what a repair done twice has only set going comes to light.
    await system.recover()
    for planted in killed:
        await planted.are_repaired()
    nothing_changed(left_as, await left.state())
    await left.mend()


async def kill_a_run(system: System, faults: Faults, link: str, nth: int) -> None:
    """kill -9 of the service when the run is about to send its n-th message on a link; it starts again."""
    async with faults.at_message(link, nth, kill="app") as kill:
        with suppress(TargetFailed):
            while not kill.fired:  # a run may be some messages shorter than another; the next is hit then
                await system.reconcile()
        await kill.struck(STRUCK_WITHIN_S)


async def messages_of_a_run(system: System, stack: Stack) -> Mapping[str, int]:
    """How many messages a run sends over each link."""
    was = {name: stack.links[name].traffic() for name in LINKS}
    await system.reconcile()
    return {name: stack.links[name].traffic().since(before).messages for name, before in was.items()}


def nth_message(whole: Mapping[str, int], moment: int) -> tuple[str, int]:
    """The link and the message on it that a moment counted over all links falls on."""
    for link, messages in whole.items():
        if moment <= messages:
            return link, moment
        moment -= messages
    raise ValueError(f"a run has {sum(whole.values())} messages")
