"""SYS-01.e: the service is killed, or its links fail, at many moments spread over many checkouts."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from overbooked.scenario import (
    AtMessage,
    Budget,
    Faults,
    HarnessError,
    Judge,
    Person,
    Purchase,
    Purchases,
    Slot,
    Stack,
    System,
    begins,
    buys,
    gap,
    moments,
    repeats,
    together,
    until,
)

POSTGRES, PROVIDER, REDIS = "app->postgres", "app->provider", "app->redis"
KILL, CUT, LOST, SILENT = "kill", "cut", "downstream", "upstream"
# What befalls each link, in turn, one moment after another. A stall costs the service's time-outs, so
# there are few; a link with few messages has few moments.
_BLOWS = (KILL, CUT, KILL, CUT, CUT, KILL, CUT, CUT)
TURNS: Mapping[str, Sequence[str]] = {
    POSTGRES: (LOST, *_BLOWS, SILENT, *_BLOWS),
    PROVIDER: (LOST, KILL, CUT, SILENT, KILL, CUT),
    REDIS: (CUT, KILL, SILENT),
}
SHARES: Mapping[str, int] = {POSTGRES: 3, PROVIDER: 2, REDIS: 1}
# How people pay, in turn; the late one comes when his hold is over and his place is taken.
METHODS = ("card", "late", "card", "declined card")
# A checkout may be some messages shorter than the one that was counted, and a service may leave alone
# for a while what has just failed it: then a later one is struck.
STRUCK_WITHIN_S = 15.0
# Longer than any time-out of the service under a stall.
STALLED_S = 15.0


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens at the n-th message of a link."""

    link: str
    nth: int
    blow: str

    def on(self, faults: Faults, process: str) -> AtMessage:
        """The fault; a kill is of the process."""
        if self.blow == KILL:
            return faults.at_message(self.link, self.nth, kill=process)
        if self.blow == CUT:
            return faults.at_message(self.link, self.nth, cut=True)
        return faults.at_message(self.link, self.nth, stall=self.blow)


@gap("SYS-01.e")
async def test_struck_at_many_moments(
    system: System, stack: Stack, faults: Faults, judge: Judge, budget: Budget, rng: random.Random
) -> None:
    people = await system.customers(len(stack.replicas))
    slot, full = await system.open_slot(capacity=100 + 4 * budget.moments), await system.open_slot(capacity=8)
    purchases = Purchases(system, [slot, full])
    late = await overtaken(purchases, people, full)
    whole = await messages_of_a_checkout(system, stack, people[0], slot)
    judge.note("messages of a checkout", whole)
    strikes = planned(whole, budget.moments, rng)
    rng.shuffle(strikes)

    # One lane a replica: while one service starts again, or waits, the other is struck.
    lanes = [
        Lane(purchases, faults, stack, n, person, late[n :: len(people)]) for n, person in enumerate(people)
    ]
    await together(*(lane.suffers(strikes[n :: len(lanes)], judge) for n, lane in enumerate(lanes)))

    judge.count("checkouts", len(purchases.all))
    undecided = [each for each in purchases.all if each.checkout is not None and each.outcome is None]
    judge.note("payments without an answer", len(undecided))
    await purchases.end_well(first=undecided[::2])


class Lane:
    """One client after another at one replica, each trying again as a client does.

    Args:
        n: which replica.
        late: purchases begun by the person and overtaken since.
    """

    def __init__(
        self,
        purchases: Purchases,
        faults: Faults,
        stack: Stack,
        n: int,
        person: Person,
        late: Sequence[Purchase],
    ) -> None:
        self._purchases = purchases
        self._system = purchases.system
        self._faults = faults
        self._stack = stack
        self._n = n
        self._person = person
        self._late = list(late)
        self._methods = cycle(METHODS)

    async def suffers(self, strikes: Sequence[Strike], judge: Judge) -> None:
        """Everything that was planned for this lane, one strike after the other."""
        for strike in strikes:
            await self._suffer(strike)
            await self._purchases.look()
            judge.count("moments")
            judge.count(
                f"{'stalls' if strike.blow in (LOST, SILENT) else strike.blow + 's'} on {strike.link}"
            )

    async def _suffer(self, strike: Strike) -> None:
        buying: list[asyncio.Task[None]] = []
        async with strike.on(self._faults, self._stack.replicas[self._n]) as fault:
            give_up = time.monotonic() + STRUCK_WITHIN_S
            while not fault.fired:
                if time.monotonic() > give_up:
                    raise HarnessError(f"{fault.what} on {strike.link}: not in {len(buying)} checkouts")
                buying.append(asyncio.create_task(self._buy(next(self._methods))))
                await self._until_over(fault, buying[-1])
        await asyncio.gather(*buying)

    async def _until_over(self, fault: AtMessage, buying: asyncio.Task[None]) -> None:
        """Until the purchase has ended, or the service has given up what was stalled."""
        given_up: list[int] = []

        async def over() -> bool:
            if fault.fired:
                given_up.append(fault.traffic().closes)
            return buying.done() or bool(given_up and given_up[-1] > given_up[0])

        await until(over, f"{fault.what} on {fault.subject} to end a checkout", within_s=STALLED_S)

    async def _buy(self, method: str) -> None:
        if method == "late" and self._late:
            purchase = self._late.pop()
        else:
            how = "card" if method == "late" else method
            purchase = await self._begun(how)
        if purchase.checkout is None:
            return
        answer = await repeats(self._system, purchase, replica=self._n)
        if answer.unknown:
            await repeats(self._system, purchase, replica=self._n + 1)

    async def _begun(self, method: str) -> Purchase:
        """A checkout that is begun; whoever does not get that far tries once more, elsewhere."""
        slot = self._purchases.slots[0]
        for replica in (self._n, self._n + 1):
            purchase = self._purchases.add(
                await begins(self._system, self._person, slot, method=method, replica=replica)
            )
            if purchase.checkout is not None:
                break
        return purchase


async def overtaken(purchases: Purchases, people: Sequence[Person], full: Slot) -> list[Purchase]:
    """Checkouts begun so long ago that somebody else has the places by now; each may yet be paid."""
    system = purchases.system
    late = [purchases.add(await begins(system, people[n % len(people)], full)) for n in range(full.capacity)]
    await system.recover()
    for person in people:
        await system.log_in(person)
    await asyncio.gather(*(system.do(people[0].books(full)) for _ in late))
    return late


async def messages_of_a_checkout(system: System, stack: Stack, who: Person, slot: Slot) -> Mapping[str, int]:
    """How many messages a checkout sends over each link, once the service has its statements prepared."""
    await buys(system, who, slot)
    was = {link: stack.links[link].traffic() for link in TURNS}
    await buys(system, who, slot)
    return {link: stack.links[link].traffic().since(before).messages for link, before in was.items()}


def planned(whole: Mapping[str, int], k: int, rng: random.Random) -> list[Strike]:
    """`k` strikes, each link with its share, spread over the messages of a checkout."""
    strikes = []
    for link, share in SHARES.items():
        at = moments(max(1, k * share // sum(SHARES.values())), whole[link], rng)
        rng.shuffle(at)
        strikes += [
            Strike(link, nth, blow) for nth, blow in zip(at, islice(cycle(TURNS[link]), len(at)), strict=True)
        ]
    return strikes
