"""Timeouts of a schedule, and the behaviour of the service learnt from earlier schedules."""

from __future__ import annotations

from dataclasses import dataclass, field

from overbooked.interleavings.scheduler.actor_state import ActorState
from overbooked.wire.gate.boundary import Boundary

# An actor that runs alone and repeats a step more often than this is in an endless loop.
_REPEATS_AT_MOST = 16


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The waiting times of the controller, in seconds.

    Args:
        first_look_s: for an answer, before lock waits are first queried.
        waited_before_s: the same at a statement at which an actor had to wait before.
        look_s: between further queries.
        wake_s: for an answer after a lock may have been released, before lock waits are queried again.
        quiet_s: for further messages after a response.
        late_s: the same for an actor that has sent something after its response before.
        learning_s: the same while learning which actors do that.
        settle_s: for the other messages that an actor sends at once.
        nested_s: for an answer while its actor is already held at another boundary.
        end_s: for the response of an actor that is held at the end of a session.
        progress_s: for any message of the running actor, before it is parked.
        parked_before_s: the same after a boundary after which it was parked before.
        blocker_s: for a blocker that is not an actor.
        stuck_s: for any progress while no actor is enabled.
        schedule_s: for a whole schedule.
    """

    first_look_s: float = 0.002
    waited_before_s: float = 0.0015
    look_s: float = 0.003
    wake_s: float = 0.0007
    quiet_s: float = 0.0003
    late_s: float = 0.002
    learning_s: float = 0.01
    settle_s: float = 0.002
    nested_s: float = 0.005
    end_s: float = 0.01
    progress_s: float = 0.5
    parked_before_s: float = 0.05
    blocker_s: float = 2.0
    stuck_s: float = 2.0
    schedule_s: float = 15.0


@dataclass(slots=True)
class LearnedBehaviour:
    """The behaviour of the service in earlier schedules of one exploration.


    Args:
        gathers: actors that send several messages at once.
        parks: (actor, shape) after which the actor was parked.
        waits: shapes at which an actor had to wait for a lock.
        late: actors that send messages after their response.
        ends: shapes after which an actor ends a session and responds without waiting for that.
        follows: (actor, shape, next shape), observed while the attribution was unambiguous.
        repeats: how often in a row an actor running alone repeated (actor, shape) with the same answer.
    """

    gathers: set[int] = field(default_factory=set)
    parks: set[tuple[int, str]] = field(default_factory=set)
    waits: set[str] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    ends: set[str] = field(default_factory=set)
    follows: set[tuple[int, str, str]] = field(default_factory=set)
    repeats: dict[tuple[int, str], int] = field(default_factory=dict)

    def expects(self, lane: ActorState, boundary: Boundary) -> bool:
        """Return whether this boundary has been observed as the actor's next one."""
        return (lane.index, lane.last_shape, boundary.shape) in self.follows

    def learn_repeats(self, actor: int, shape: str, repeated: int) -> None:
        """Record repetitions by an actor that runs alone; too many are an endless loop and are not
        counted."""
        usual = max(repeated, self.usual_repeats(actor, shape))
        self.repeats[actor, shape] = usual if repeated <= _REPEATS_AT_MOST else 0

    def usual_repeats(self, actor: int, shape: str) -> int:
        """Return how often in a row an actor repeats this when it runs alone."""
        return self.repeats.get((actor, shape), 0)

    def first_look_s(self, lane: ActorState, limits: Timeouts) -> float:
        """Return how long to wait for an answer before lock waits are queried."""
        return limits.waited_before_s if lane.last_shape in self.waits else limits.first_look_s

    def quiet_s(self, lane: ActorState, limits: Timeouts) -> float:
        """Return how long to wait for further messages after an actor's response."""
        return limits.late_s if lane.index in self.late else limits.quiet_s

    def end_s(self, lane: ActorState, limits: Timeouts) -> float:
        """Return how long to wait for the response of an actor that is held at the end of a session."""
        return limits.progress_s if lane.last_shape in self.ends else limits.end_s

    def patience_s(self, lane: ActorState, limits: Timeouts) -> float:
        """Return how long to wait for a message of the running actor."""
        known = (lane.index, lane.last_shape) in self.parks
        return limits.parked_before_s if known else limits.progress_s
