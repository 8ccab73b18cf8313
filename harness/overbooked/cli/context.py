"""What a command works on: the system, one of its mutants, the kind of stack, the seed."""

from __future__ import annotations

from dataclasses import dataclass

from overbooked.config import Settings
from overbooked.descriptor import Descriptor
from overbooked.runs.mutants import require
from overbooked.runs.planning import drawn_seed
from overbooked.runs.stack_factory import descriptor_of, settled
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.base.settings import Kind


@dataclass(frozen=True, slots=True)
class Ground:
    """Settled before anything is started.

    Args:
        settings: of the command.
        descriptor: of the system.
        mutant: its name; None: the system as it is.
        kind: of the stack, `auto` decided.
        why: that kind, in one line.
        seed: of everything random.
    """

    settings: Settings
    descriptor: Descriptor
    mutant: str | None
    kind: Kind
    why: str
    seed: int

    def stack(self) -> Stack:
        """A stack of that kind, not yet started."""
        from overbooked.stacks import kinds as choice  # noqa: PLC0415 - its drivers cost a while

        return choice.make(self.kind, self.descriptor, self.settings.stack, mutant=self.mutant)


def ground_of(settings: Settings, mutant: str | None) -> Ground:
    """What these settings and a mutant's name, as somebody typed it, come to.

    Raises:
        ConfigError: the settings name no system.
        UnknownGap: there is no such mutant, or the system does not have it.
        UsageError: the kind of stack that was asked for cannot be had here.
    """
    descriptor = descriptor_of(settings)
    if mutant:
        require(seeded := settings.catalog().mutant(mutant), descriptor)
        mutant = seeded.name
    chosen = settled(settings, descriptor)
    seed = settings.seed if settings.seed is not None else drawn_seed()
    return Ground(settings, descriptor, mutant or None, chosen.kind, chosen.why, seed)
