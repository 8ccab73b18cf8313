"""How long a schedule waits for what, and what earlier schedules have taught about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from overbooked.interleavings.scheduler.actor_state import Lane
from overbooked.wire.gate.boundary import Boundary

# Who repeats himself more often than this while he is alone waits for something that does not come.
_REPEATS_AT_MOST = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, in seconds, the controller waits for what.

    Args:
        first_look_s: for an answer before PostgreSQL is first asked who blocks.
        waited_before_s: the same where somebody had to wait at such a statement before.
        look_s: between further looks.
        wake_s: for an answer once a lock may have come free, before PostgreSQL is asked again.
        quiet_s: after a response for something more to come.
        late_s: the same of an actor who was seen to do something after his response.
        learning_s: the same while that is being learnt.
        settle_s: for the rest of what an actor sends at once.
        nested_s: for an answer while its actor is already held at another boundary.
        progress_s: for anything at the wire from the moving actor before he is parked.
        parked_before_s: the same where he was parked at the same place before.
        blocker_s: for a blocker that is no actor.
        stuck_s: for anything at all when nobody can go.
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
    progress_s: float = 0.5
    parked_before_s: float = 0.05
    blocker_s: float = 2.0
    stuck_s: float = 2.0
    schedule_s: float = 15.0


@dataclass(slots=True)
class Experience:
    """What earlier schedules of one exploration have taught.

    Args:
        gathers: actors that send several messages at once.
        parks: (actor, shape) after which one was parked.
        waits: shapes at which somebody had to wait for a lock.
        late: actors that do something after their response.
        follows: (actor, shape, shape) that came one after another while nobody else could be meant.
        repeats: how often in a row (actor, shape) was repeated with the same answer by an actor alone.
    """

    gathers: set[int] = field(default_factory=set)
    parks: set[tuple[int, str]] = field(default_factory=set)
    waits: set[str] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    follows: set[tuple[int, str, str]] = field(default_factory=set)
    repeats: dict[tuple[int, str], int] = field(default_factory=dict)

    def expects(self, lane: Lane, boundary: Boundary) -> bool:
        """Whether this has been seen to come next from an actor."""
        return (lane.index, lane.last_shape, boundary.shape) in self.follows

    def learn_repeats(self, actor: int, shape: str, repeated: int) -> None:
        """Take in each repetition of an actor who was alone; beyond a few it is a loop, and not usual."""
        usual = max(repeated, self.usual_repeats(actor, shape))
        self.repeats[actor, shape] = usual if repeated <= _REPEATS_AT_MOST else 0

    def usual_repeats(self, actor: int, shape: str) -> int:
        """How often in a row an actor repeats this while nobody else is there."""
        return self.repeats.get((actor, shape), 0)

    def first_look_s(self, lane: Lane, limits: Limits) -> float:
        """How long to wait for an answer before the database is asked who blocks."""
        return limits.waited_before_s if lane.last_shape in self.waits else limits.first_look_s

    def quiet_s(self, lane: Lane, limits: Limits) -> float:
        """How long to wait for more after an actor's response."""
        return limits.late_s if lane.index in self.late else limits.quiet_s

    def patience_s(self, lane: Lane, limits: Limits) -> float:
        """How long to wait for anything from a moving actor."""
        known = (lane.index, lane.last_shape) in self.parks
        return limits.parked_before_s if known else limits.progress_s
