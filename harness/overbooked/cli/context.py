"""The context of a command: the system, a mutant, the kind of stack, the seed."""

from __future__ import annotations

from dataclasses import dataclass

from overbooked.config import Settings
from overbooked.descriptor import Descriptor
from overbooked.runs.mutants import require_mutant
from overbooked.runs.planning import drawn_seed
from overbooked.runs.stack_factory import load_descriptor, resolve_kind
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.base.settings import Kind


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The context of a command, resolved before anything is started.

    Args:
        settings: the settings of the command.
        descriptor: the descriptor of the system.
        mutant: name of the mutant; None: none.
        kind: the kind of stack, with `auto` resolved.
        why: the reason for the kind, in one line.
        seed: the seed from which all random choices are derived.
    """

    settings: Settings
    descriptor: Descriptor
    mutant: str | None
    kind: Kind
    why: str
    seed: int

    def stack(self) -> Stack:
        """Return a stack of that kind, not yet started."""
        from overbooked.stacks import kinds as choice  # noqa: PLC0415 - its drivers cost a while

        return choice.make_stack(self.kind, self.descriptor, self.settings.stack, mutant=self.mutant)


def command_context(settings: Settings, mutant: str | None) -> CommandContext:
    """Resolve settings and the name of a mutant on the command line.

    Raises:
        ConfigError: the settings name no system.
        UnknownGap: there is no such mutant, or the system does not have it.
        UsageError: the requested kind of stack is not available.
    """
    descriptor = load_descriptor(settings)
    if mutant:
        require_mutant(seeded := settings.catalog().mutant(mutant), descriptor)
        mutant = seeded.name
    chosen = resolve_kind(settings, descriptor)
    seed = settings.seed if settings.seed is not None else drawn_seed()
    return CommandContext(settings, descriptor, mutant or None, chosen.kind, chosen.why, seed)
