"""Attributes each boundary to an actor. The wire does not name it, but only one actor runs at a time.

A message on an idle connection belongs to the running actor; a connection in a transaction keeps its owner
until the server reports that it is idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overbooked.interleavings.scheduler.actor_state import ENDS, ActorState, Wire, wire_of
from overbooked.interleavings.scheduler.timeouts import LearnedBehaviour
from overbooked.wire.gate.boundary import Boundary, Reply


class Attribution:
    """Records which actor runs and which connections belong to which actor.

    Args:
        lanes: the states of all actors.
        experience: decides between two possible actors by the observed sequences of boundaries.
        learning: attribute every boundary to the running actor, or to the one that ran last.
    """

    def __init__(self, lanes: Sequence[ActorState], experience: LearnedBehaviour, *, learning: bool) -> None:
        self.moving: ActorState | None = None
        self.moved_last: ActorState | None = None
        self._lanes = lanes
        self._experience = experience
        self._learning = learning
        self._last_on: dict[Wire, ActorState] = {}
        self._open: dict[Wire, ActorState] = {}
        self._wires_by_pid: dict[int, Wire] = {}

    def take(self, boundary: Boundary, lane: ActorState) -> None:
        """Attribute a boundary to an actor, and its connection until another actor uses it."""
        self._last_on[wire_of(boundary)] = lane
        if boundary.backend_pid is not None:
            self._wires_by_pid[boundary.backend_pid] = wire_of(boundary)

    def answered(self, boundary: Boundary, reply: Reply | None, lane: ActorState) -> None:
        """Record whether a transaction is open on the connection."""
        if reply is not None and reply.in_transaction:
            self._open[wire_of(boundary)] = lane
        else:
            self._open.pop(wire_of(boundary), None)

    def forget(self, wire: Wire) -> None:
        """Record that a connection was closed."""
        self._open.pop(wire, None)
        self._last_on.pop(wire, None)

    def in_transaction(self, lane: ActorState) -> bool:
        """Return whether an actor has an open transaction on any connection."""
        return lane in self._open.values()

    def actors_behind(self, pids: Iterable[int]) -> set[int]:
        """Return the actors that used these backends last."""
        wires = (self._wires_by_pid.get(pid) for pid in pids)
        return {self._last_on[wire].index for wire in wires if wire in self._last_on}

    def owner(self, boundary: Boundary) -> ActorState | None:
        """Return the actor of a boundary that has just arrived; None if it belongs to no actor."""
        if boundary.in_transaction or boundary.verb == ENDS:
            return self._last_on.get(wire_of(boundary))
        moving = self.moving
        if self._learning:
            return moving or self.moved_last
        busy = moving is not None and (moving.pending or moving.flights) and not moving.gathers
        # A parked actor may be unblocked at any time, inside the process.
        parked = [lane for lane in self._lanes if lane.parked and not lane.over]
        if moving is not None and not busy and not moving.answered:
            if self._experience.expects(moving, boundary):
                return moving
            return next((lane for lane in parked if self._experience.expects(lane, boundary)), moving)
        if parked:
            return parked[0]
        if moving is not None:
            return None if busy else moving
        last = self.moved_last
        if last is None or ((last.pending or last.flights) and not last.gathers):
            return None
        return last
