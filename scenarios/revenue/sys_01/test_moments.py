"""SYS-01.e: the service is killed, or its links fail, at many moments spread over many checkouts."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

from overbooked.scenario import (
    Budget,
    Customer,
    FaultAtMessage,
    Faults,
    HarnessError,
    Judge,
    Purchase,
    Purchases,
    Slot,
    Stack,
    System,
    begin_checkout,
    buy,
    count_messages,
    gap,
    moments,
    payment_methods,
    repeat_payment,
    together,
    until,
)

POSTGRES, PROVIDER, REDIS = "app->postgres", "app->payments", "app->redis"
KILL, CUT, LOST, SILENT = "kill", "cut", "downstream", "upstream"
# The faults of each link, used in turn. A stall lasts until the service's time-outs, so there are few
# stalls; a link with few messages gets few faults.
_BLOWS = (KILL, CUT, KILL, CUT, CUT, KILL, CUT, CUT)
TURNS: Mapping[str, Sequence[str]] = {
    POSTGRES: (LOST, *_BLOWS, SILENT, *_BLOWS),
    PROVIDER: (LOST, KILL, CUT, SILENT, KILL, CUT),
    REDIS: (CUT, KILL, SILENT),
}
SHARES: Mapping[str, int] = {POSTGRES: 3, PROVIDER: 2, REDIS: 1}
# The methods of payment, used in turn: "late" pays a checkout whose hold has expired and whose place is
# taken, then every method that the target offers.
LATE = "late"
# Seconds to wait for the fault. A checkout may have fewer messages than the one that was counted, and a
# service may not use a failed dependency for a while: then the fault hits a later checkout.
STRUCK_WITHIN_S = 15.0
# Seconds; longer than any time-out of the service during a stall.
STALLED_S = 15.0


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at the n-th message of a link."""

    link: str
    nth: int
    blow: str

    def on(self, faults: Faults, process: str) -> FaultAtMessage:
        """Return the fault; a kill applies to the process."""
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
    purchases = Purchases(system, [slot, full], payment_methods(system))
    late = await overtaken(purchases, people, full)
    await buy(system, people[0], slot)  # so that the service has prepared its statements
    whole = await count_messages(stack, TURNS, partial(buy, system, people[0], slot))
    judge.note("messages of a checkout", whole)
    strikes = planned(whole, budget.moments, rng)
    rng.shuffle(strikes)

    # One lane per replica: while one replica restarts or waits, faults are injected into the other.
    lanes = [
        Lane(purchases, faults, stack, n, person, late[n :: len(people)]) for n, person in enumerate(people)
    ]
    await together(*(lane.suffers(strikes[n :: len(lanes)], judge) for n, lane in enumerate(lanes)))

    judge.count("checkouts", len(purchases.all))
    undecided = [each for each in purchases.all if each.checkout is not None and each.outcome is None]
    judge.note("payments without an answer", len(undecided))
    await purchases.assert_consistent(first=undecided[::2])


class Lane:
    """Purchases at one replica, one after another; each client repeats its payment until it has an answer.

    Args:
        n: the number of the replica.
        late: purchases of `person` whose places have been taken since.
    """

    def __init__(
        self,
        purchases: Purchases,
        faults: Faults,
        stack: Stack,
        n: int,
        person: Customer,
        late: Sequence[Purchase],
    ) -> None:
        self._purchases = purchases
        self._system = purchases.system
        self._faults = faults
        self._stack = stack
        self._n = n
        self._person = person
        self._late = list(late)
        self._methods = cycle(("card", LATE, *purchases.methods))

    async def suffers(self, strikes: Sequence[Strike], judge: Judge) -> None:
        """Inject the planned faults of this lane one after another."""
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

    async def _until_over(self, fault: FaultAtMessage, buying: asyncio.Task[None]) -> None:
        """Wait until the purchase has ended or the service has closed the stalled connection."""
        given_up: list[int] = []

        async def over() -> bool:
            if fault.fired:
                given_up.append(fault.traffic().closes)
            return buying.done() or bool(given_up and given_up[-1] > given_up[0])

        await until(over, f"{fault.what} on {fault.subject} to end a checkout", within_s=STALLED_S)

    async def _buy(self, method: str) -> None:
        if method == LATE and self._late:
            purchase = self._late.pop()
        else:
            how = "card" if method == LATE else method
            purchase = await self._begun(how)
        if purchase.checkout is None:
            return
        answer = await repeat_payment(self._system, purchase, replica=self._n)
        if answer.unknown:
            await repeat_payment(self._system, purchase, replica=self._n + 1)

    async def _begun(self, method: str) -> Purchase:
        """Begin a checkout; if that fails, try once more at the next replica."""
        slot = self._purchases.slots[0]
        for replica in (self._n, self._n + 1):
            purchase = self._purchases.add(
                await begin_checkout(self._system, self._person, slot, method=method, replica=replica)
            )
            if purchase.checkout is not None:
                break
        return purchase


async def overtaken(purchases: Purchases, people: Sequence[Customer], full: Slot) -> list[Purchase]:
    """Return unpaid checkouts whose holds have expired and whose places were booked by another customer."""
    system = purchases.system
    late = [
        purchases.add(await begin_checkout(system, people[n % len(people)], full))
        for n in range(full.capacity)
    ]
    await system.jobs.recover()
    for person in people:
        await system.sessions.log_in(person)
    await asyncio.gather(*(system.do(people[0].books(full)) for _ in late))
    return late


def planned(whole: Mapping[str, int], k: int, rng: random.Random) -> list[Strike]:
    """Return `k` strikes, divided among the links by their shares and spread over a checkout's messages."""
    strikes = []
    for link, share in SHARES.items():
        at = moments(max(1, k * share // sum(SHARES.values())), whole[link], rng)
        rng.shuffle(at)
        strikes += [
            Strike(link, nth, blow) for nth, blow in zip(at, islice(cycle(TURNS[link]), len(at)), strict=True)
        ]
    return strikes
