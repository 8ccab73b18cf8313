"""Who waits in the database and for whom, and who has come free; asked only where nothing else can tell."""

from __future__ import annotations

import time
from collections.abc import Sequence

from overbooked.interleavings.scheduler.actor_state import Lane
from overbooked.interleavings.scheduler.attribution import Ownership
from overbooked.interleavings.scheduler.gatekeeper import Disturbed, Holding
from overbooked.interleavings.scheduler.pg_blocking import Blocking
from overbooked.interleavings.scheduler.timeouts import Experience, Limits

# Statements after which whoever waited for a lock still waits.
_KEEPS_LOCKS = {"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN"}


class Waiting:
    """Actors that wait for others, in one schedule.

    Args:
        lanes: of all actors.
        whose: tells which actor is behind a backend.
        holding: what has happened at the gate.
        blocking: who waits for whom in the database, None where there is none to ask.
        limits: how long to wait for what.
        experience: learns at which statements somebody had to wait.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        whose: Ownership,
        holding: Holding,
        blocking: Blocking | None,
        limits: Limits,
        experience: Experience,
    ) -> None:
        self._lanes = lanes
        self._whose = whose
        self._holding = holding
        self._blocking = blocking
        self._limits = limits
        self._experience = experience

    def asks_of(self, lane: Lane) -> bool:
        """Whether the database can be asked if an actor waits there."""
        return self._blocking is not None and lane.waits_in_database is not None

    async def is_blocked(self, lane: Lane) -> bool:
        """Ask the database; wait with a deadline where the blocker is nobody of ours.

        Raises:
            Disturbed: the blocker is nobody of ours, and stays.
        """
        pid = lane.waits_in_database
        if pid is None or self._blocking is None:
            return False
        give_up = time.monotonic() + self._limits.blocker_s
        while True:
            found = await self._blocking.blockers(pid)
            if not lane.flights or not found:
                return False
            actors = self._whose.actors_behind(found)
            if actors and self._in_a_circle(lane, actors):
                return False  # a deadlock: the server ends it, and soon
            if actors:
                lane.blocked = True
                for flight in lane.flights:
                    flight.step.blocked_by |= actors
                    self._experience.waits.add(flight.step.boundary.shape)
                return True
            if time.monotonic() > give_up:
                who = await self._blocking.describe(found)
                raise Disturbed(f"{lane.doing()}, and whoever holds it is no actor: {who}")
            if await self._holding.news_within(self._limits.look_s):
                return False

    def _in_a_circle(self, lane: Lane, actors: set[int]) -> bool:
        seen: set[int] = set()
        ahead = set(actors)
        while ahead:
            actor = ahead.pop()
            if actor == lane.index:
                return len(actors) > 1 or actors != {lane.index}
            if actor not in seen and self._lanes[actor].blocked:
                seen.add(actor)
                for flight in self._lanes[actor].flights:
                    ahead |= flight.step.blocked_by
        return False

    # -- those who come free -------------------------------------------------------------------

    async def look_again(self) -> None:
        """Where locks may have come free, ask of everybody who waits whether he still does."""
        if self._locks_may_be_free():
            await self._look_at_all()

    def has_come_free(self, lane: Lane) -> bool:
        """Whether an actor is to be let move, for what he waited for is there."""
        if lane.kept:
            return True
        if lane.over or lane.pending or lane.flights:
            return False
        # His connection was closed under a statement that waited, or his response came meanwhile.
        return lane.blocked or (lane.answered and not self._whose.in_transaction(lane))

    async def until_something_moves(self) -> None:
        """Nobody can go. A deadlock, a back-off, a lock inside the process: wait, and then say so.

        Raises:
            Disturbed: nothing did.
        """
        give_up = time.monotonic() + self._limits.stuck_s
        while time.monotonic() < give_up:
            if await self._holding.news_within(self._limits.look_s * 4):
                return
            await self._look_at_all()
            if any(lane.kept or lane.pending for lane in self._lanes):
                return
        raise Disturbed(f"no wire progress for {self._limits.stuck_s:g} s: {self._holding.doing()}")

    async def _look_at_all(self) -> None:
        for lane in self._lanes:
            if lane.blocked and not lane.kept:
                await self._look_again(lane)

    def _locks_may_be_free(self) -> bool:
        steps = self._holding.steps
        if not steps:
            return False
        step = steps[-1]
        reply = step.reply
        return not (
            reply is not None
            and reply.in_transaction
            and not reply.error
            and step.boundary.verb in _KEEPS_LOCKS
            and "unlock" not in step.boundary.text.lower()
        )

    async def _look_again(self, lane: Lane) -> None:
        """Whether a blocked actor still is; if not, wait for his answer (he may be blocked anew)."""
        if not self.asks_of(lane):
            return
        steps = self._holding.steps
        ended = bool(steps) and any(steps[-1].lane in one.step.blocked_by for one in lane.flights)
        wait_s = self._limits.wake_s if ended else 0.0
        while not lane.kept and lane.flights:
            if await self._holding.news_within(wait_s):
                continue
            if await self.is_blocked(lane):
                return
            lane.blocked = True
            wait_s = self._limits.first_look_s
