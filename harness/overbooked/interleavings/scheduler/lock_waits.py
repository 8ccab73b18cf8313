"""Determines which actors wait for locks of others; the database is queried only if necessary."""

from __future__ import annotations

import time
from collections.abc import Sequence

from overbooked.interleavings.scheduler.actor_state import ActorState
from overbooked.interleavings.scheduler.attribution import Attribution
from overbooked.interleavings.scheduler.gatekeeper import ScheduleDisturbed, SchedulingGatekeeper
from overbooked.interleavings.scheduler.pg_blocking import LockInspector
from overbooked.interleavings.scheduler.timeouts import LearnedBehaviour, Timeouts

# Statements that release no lock.
_KEEPS_LOCKS = {"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN"}


class LockWaits:
    """The lock waits of actors in one schedule.

    Args:
        lanes: the states of all actors.
        whose: maps backends to actors.
        holding: the gatekeeper of this schedule.
        blocking: queries which backends block another; None: there is no database.
        limits: the timeouts.
        experience: learns at which statements an actor had to wait.
    """

    def __init__(
        self,
        lanes: Sequence[ActorState],
        whose: Attribution,
        holding: SchedulingGatekeeper,
        blocking: LockInspector | None,
        limits: Timeouts,
        experience: LearnedBehaviour,
    ) -> None:
        self._lanes = lanes
        self._whose = whose
        self._holding = holding
        self._blocking = blocking
        self._limits = limits
        self._experience = experience

    def asks_of(self, lane: ActorState) -> bool:
        """Return whether the database can be queried for a lock wait of an actor."""
        return self._blocking is not None and lane.waits_in_database is not None

    async def is_blocked(self, lane: ActorState) -> bool:
        """Query the database whether an actor blocks this one; wait for any other blocker with a deadline.

        Raises:
            ScheduleDisturbed: a blocker that is not an actor did not release the lock in time.
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
                return False  # a deadlock: the server resolves it soon
            if actors:
                lane.blocked = True
                for flight in lane.flights:
                    flight.step.blocked_by |= actors
                    self._experience.waits.add(flight.step.boundary.shape)
                return True
            if time.monotonic() > give_up:
                who = await self._blocking.describe(found)
                raise ScheduleDisturbed(f"{lane.doing()}, and no actor holds the lock: {who}")
            if await self._holding.wait_for_event(self._limits.look_s):
                return False

    def _in_a_circle(self, lane: ActorState, actors: set[int]) -> bool:
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

    # -- unblocked actors -------------------------------------------------------------------

    async def look_again(self) -> None:
        """If a lock may have been released, re-check every blocked actor."""
        if self._locks_may_be_free():
            await self._look_at_all()

    def has_come_free(self, lane: ActorState) -> bool:
        """Return whether an actor can run again."""
        if lane.kept:
            return True
        if lane.over or lane.pending or lane.flights:
            return False
        # The connection was closed during a blocked statement, or the response arrived meanwhile.
        return lane.blocked or (lane.answered and not self._whose.in_transaction(lane))

    async def until_something_moves(self) -> None:
        """Wait for progress while no actor is enabled: a deadlock, a back-off, a lock inside the process.

        Raises:
            ScheduleDisturbed: there was no progress in time.
        """
        give_up = time.monotonic() + self._limits.stuck_s
        while time.monotonic() < give_up:
            if await self._holding.wait_for_event(self._limits.look_s * 4):
                return
            await self._look_at_all()
            if any(lane.kept or lane.pending for lane in self._lanes):
                return
        raise ScheduleDisturbed(f"no wire progress for {self._limits.stuck_s:g} s: {self._holding.doing()}")

    async def _look_at_all(self) -> None:
        for lane in self._lanes:
            if lane.blocked and not lane.kept:
                await self._look_again(lane)

    def _locks_may_be_free(self) -> bool:
        steps = self._holding.steps
        if not steps or steps[-1].begins:
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

    async def _look_again(self, lane: ActorState) -> None:
        """Re-check a blocked actor; if it is no longer blocked, wait for its answer or its next lock."""
        if not self.asks_of(lane):
            return
        steps = self._holding.steps
        ended = bool(steps) and any(steps[-1].lane in one.step.blocked_by for one in lane.flights)
        wait_s = self._limits.wake_s if ended else 0.0
        while not lane.kept and lane.flights:
            if await self._holding.wait_for_event(wait_s):
                continue
            if await self.is_blocked(lane):
                return
            lane.blocked = True
            wait_s = self._limits.first_look_s
