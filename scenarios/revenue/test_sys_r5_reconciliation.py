"""SYS-R5: provider and service disagree; reconciliation finds it, repairs what it may, and only that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

import pytest

from harness import gap
from harness.explore.moments import moments
from harness.faults.toolbox import Faults
from harness.oracles.answers import accepted
from harness.oracles.effects import nothing_changed
from harness.oracles.reconciliation import finds_exactly, finds_nothing
from harness.oracles.repairs import FREES_ITS_PLACE, LEFT_TO_A_PERSON, left_to_a_person, repaired
from harness.profiles.budget import Budget
from harness.stacks.protocol import Stack
from harness.targets.port import DISCREPANCIES, Discrepancy, DurableState, Money, Slot
from harness.targets.system import System
from harness.targets.transport import TargetFailed
from harness.verdicts.judge import Judge

# Twice, because a place may be free again or still held for it.
EVERY_KIND = (*DISCREPANCIES, "captured there, unknown here")
REPAIRED = tuple(kind for kind in EVERY_KIND if kind not in LEFT_TO_A_PERSON)
# How long a run may take to come to a message that a run before it came to.
STRUCK_WITHIN_S = 10.0


@gap("SYS-R5.a", "SYS-R5.b", "SYS-R5.c")
async def test_every_difference_is_found_and_repaired_or_left_to_a_person(
    system: System, judge: Judge, budget: Budget
) -> None:
    known = await named_already(system)
    (visitor,) = await system.customers(1)
    await system.agree(budget.records)
    planted = await plant(system, EVERY_KIND)
    before = await look_at(system, planted)

    report = await system.reconcile()
    after = await look_at(system, planted)

    judge.count("differences", len(planted))
    judge.count("records examined", report.examined)
    with judge("SYS-R5.a"):
        finds_exactly(planted, report, known)
    with judge("SYS-R5.c"):
        for one in planted:
            if one.kind in LEFT_TO_A_PERSON:
                left_to_a_person(one, before, after)
    with judge("SYS-R5.b"):
        for one in planted:
            if one.kind not in LEFT_TO_A_PERSON:
                repaired(one, before, after)
            if one.kind in FREES_ITS_PLACE:
                booked = await system.do(visitor.books(slot_of(one)))
                accepted(booked, f"{one.kind}: its place is not free again")


@gap("SYS-R5.d")
@pytest.mark.parametrize("pending", [False, True], ids=["refunds-done", "refunds-pending"])
async def test_a_second_run_changes_nothing(system: System, judge: Judge, pending: bool) -> None:
    known = await named_already(system)
    planted = await plant(system, EVERY_KIND)
    left = {*known, *((one.subject, one.kind) for one in planted if one.kind in LEFT_TO_A_PERSON)}
    await system.delay_refunds(pending)
    await system.reconcile()
    judge.count("differences", len(planted))

    await changes_nothing(system, planted, left)
    await system.recover()  # refunds arrive
    await changes_nothing(system, planted, left)


@gap("SYS-R5.e")
async def test_a_run_that_is_killed_and_started_again_ends_like_a_whole_one(
    system: System, stack: Stack, faults: Faults, judge: Judge, budget: Budget, rng: random.Random
) -> None:
    await named_already(system)
    # What a killed run has sent is still on its way when the next one looks.
    await system.delay_refunds()
    left = await plant(system, LEFT_TO_A_PERSON)
    async with faults.restarted("app"):  # as it will be after each kill
        whole = await messages_of_a_run(system, stack)
    judge.note("messages of a whole run", whole)
    left_as = await look_at(system, left)
    done: list[tuple[list[Discrepancy], DurableState]] = []
    for moment in moments(budget.moments, sum(whole.values()), rng):
        link, nth = nth_message(whole, moment)
        planted = await plant(system, REPAIRED)
        before = await look_at(system, planted)

        async with faults.at_message(link, nth, kill="app") as killed:
            with suppress(TargetFailed):
                while not killed.fired:  # a run may be some messages shorter; then it hits the next
                    await system.reconcile()
            await killed.struck(STRUCK_WITHIN_S)
        await system.reconcile()

        judge.count("moments")
        await all_repaired(system, planted, before)
        done.append((planted, before))
    # Refunds arrive, and what a repair done twice has only set going comes to light.
    await system.recover()
    for planted, before in done:
        await all_repaired(system, planted, before)
    nothing_changed(left_as, await look_at(system, left))


# -- what a run meets -----------------------------------------------------------------------------


async def named_already(system: System) -> Sequence[tuple[str, str]]:
    """What runs before this scenario left to a person, once all that may be repaired is."""
    await system.settle()
    return (await system.reconcile()).differences


async def plant(system: System, kinds: Iterable[str]) -> list[Discrepancy]:
    """One difference of each of these kinds."""
    return list(await asyncio.gather(*(system.plant(kind) for kind in kinds)))


async def look_at(system: System, planted: Sequence[Discrepancy]) -> DurableState:
    """Durable state as far as what was planted goes."""
    return await system.state(slots=[slot_of(one) for one in planted])


def slot_of(one: Discrepancy) -> Slot:
    return Slot(str(one.facts["slot"]), 1, Money(int(one.facts["price_minor"])))


async def all_repaired(system: System, planted: Sequence[Discrepancy], before: DurableState) -> None:
    after = await look_at(system, planted)
    for one in planted:
        repaired(one, before, after)


async def changes_nothing(
    system: System, planted: Sequence[Discrepancy], known: Collection[tuple[str, str]]
) -> None:
    """A run after one that has found everything finds, repairs and changes nothing."""
    was = await look_at(system, planted)
    report = await system.reconcile()
    nothing_changed(was, await look_at(system, planted))
    finds_nothing(report, known)


# -- the moments of a run -------------------------------------------------------------------------


async def messages_of_a_run(system: System, stack: Stack) -> dict[str, int]:
    """How many messages a whole run sends over each link on which its effects travel."""
    links = [stack.links[name] for name in ("app->postgres", "app->provider")]
    await plant(system, REPAIRED)
    was = [link.traffic() for link in links]
    await system.reconcile()
    return {link.name: link.traffic().since(before).messages for link, before in zip(links, was, strict=True)}


def nth_message(whole: dict[str, int], moment: int) -> tuple[str, int]:
    """The link and the message on it that a moment counted over all links falls on."""
    for link, messages in whole.items():
        if moment <= messages:
            return link, moment
        moment -= messages
    raise ValueError(f"a run has {sum(whole.values())} messages")
