"""Whose a boundary is: nothing on the wire says so, but only one actor moves at a time.

A message on an idle connection is the moving actor's; a connection in a transaction keeps its owner
until the server says that it is idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overbooked.interleavings.scheduler.actor_state import ENDS, Lane, Wire, wire_of
from overbooked.interleavings.scheduler.timeouts import Experience
from overbooked.wire.gate.boundary import Boundary, Reply


class Ownership:
    """Who moves, and which connections are whose.

    Args:
        lanes: of all actors.
        experience: tells what comes next where two could be meant.
        learning: whatever comes is the moving actor's, or his who moved last.
    """

    def __init__(self, lanes: Sequence[Lane], experience: Experience, *, learning: bool) -> None:
        self.moving: Lane | None = None
        self.moved_last: Lane | None = None
        self._lanes = lanes
        self._experience = experience
        self._learning = learning
        self._last_on: dict[Wire, Lane] = {}
        self._open: dict[Wire, Lane] = {}
        self._wires_by_pid: dict[int, Wire] = {}

    def take(self, boundary: Boundary, lane: Lane) -> None:
        """A boundary is an actor's; its connection is until somebody else uses it."""
        self._last_on[wire_of(boundary)] = lane
        if boundary.backend_pid is not None:
            self._wires_by_pid[boundary.backend_pid] = wire_of(boundary)

    def answered(self, boundary: Boundary, reply: Reply | None, lane: Lane) -> None:
        """Whether a transaction is open on the connection now."""
        if reply is not None and reply.in_transaction:
            self._open[wire_of(boundary)] = lane
        else:
            self._open.pop(wire_of(boundary), None)

    def forget(self, wire: Wire) -> None:
        """A connection has gone."""
        self._open.pop(wire, None)
        self._last_on.pop(wire, None)

    def in_transaction(self, lane: Lane) -> bool:
        """Whether an actor has one open, on any connection."""
        return lane in self._open.values()

    def actors_behind(self, pids: Iterable[int]) -> set[int]:
        """The actors that used these backends last."""
        wires = (self._wires_by_pid.get(pid) for pid in pids)
        return {self._last_on[wire].index for wire in wires if wire in self._last_on}

    def owner(self, boundary: Boundary) -> Lane | None:
        """Whose a boundary is that has just come; None: no actor's."""
        if boundary.in_transaction or boundary.verb == ENDS:
            return self._last_on.get(wire_of(boundary))
        moving = self.moving
        if self._learning:
            return moving or self.moved_last
        busy = moving is not None and (moving.pending or moving.flights) and not moving.gathers
        # One who is waited for no longer may come free at any time, inside the process.
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
