"""The stacks of a run, made as its settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overbooked.config import Settings
from overbooked.descriptor import Descriptor, load
from overbooked.errors import ConfigError, StackError, UsageError
from overbooked.machine.descriptors import ensure, needed
from overbooked.plugin.stack_manager import StackFactory
from overbooked.runs.plan import Variant
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.base.settings import Kind, StackSettings
from overbooked.targets.claims import hold_to_claims

if TYPE_CHECKING:
    from overbooked.stacks.kinds import Choice


def descriptor_of(settings: Settings) -> Descriptor:
    """The system that the settings name.

    Raises:
        ConfigError: they name none, or its descriptor is wrong.
    """
    if settings.target.descriptor is None:
        raise ConfigError(
            "no system to judge: set [target] descriptor in overbooked.toml, "
            'e.g. descriptor = "reference_system/target/system.toml"'
        )
    found = load(settings.target.descriptor)
    return found.model_copy(update={"beside": (*found.beside, settings.root.resolve())})


def settled(settings: Settings, descriptor: Descriptor) -> Choice:
    """The kind of stack that will run, `auto` decided, before anything is started.

    Raises:
        ConfigError: the adapter cannot be loaded, or claims verbs that it does not have.
        UsageError: the kind that was asked for cannot be had here, or this process may not have as many file
            descriptors as it needs.
    """
    hold_to_claims(descriptor.load_adapter())
    from overbooked.stacks.kinds import choose  # noqa: PLC0415 - its drivers cost a while

    ensure(needed(_largest_burst(settings)))
    try:
        return choose(settings.stack.kind, settings.stack, descriptor)
    except StackError as error:
        raise UsageError(str(error)) from error


def workers_for(kind: Kind, settings: StackSettings, wanted: int) -> tuple[int, str]:
    """How many workers can run side by side, and why fewer than were wanted; "" where none is missing.

    A running system is one, and whoever holds its messages holds everybody's; a fixed port is for one
    stack.
    """
    if wanted < 2:
        return wanted, ""
    if kind == "external":
        return 1, f"one worker, not {wanted}: there is one running system, and its links have one address"
    if settings.ports:
        fixed = ", ".join(sorted(settings.ports))
        return 1, f"one worker, not {wanted}: [stack.ports] fixes {fixed}, which one stack can have"
    return wanted, ""


def _largest_burst(settings: Settings) -> int:
    return settings.active_profile().largest_burst


def factory(settings: Settings, *, seed: int | None = None) -> StackFactory:
    """Makes stacks of the kind the settings choose, each in the shape its variant asks for.

    Args:
        seed: the run's; what a toxic draws follows from it, where the server is ours.

    Raises:
        ConfigError: the settings name no system, or its adapter cannot be used.
    """
    descriptor = descriptor_of(settings)
    hold_to_claims(descriptor.load_adapter())
    ensure(needed(_largest_burst(settings)))

    def make(variant: Variant) -> Stack:
        from overbooked.stacks import kinds as choice  # noqa: PLC0415 - its drivers cost a while

        shape = settings.stack
        if variant.replicas is not None:
            shape = shape.model_copy(update={"replicas": variant.replicas})
        if shape.toxiproxy_seed is None and seed is not None:
            shape = shape.model_copy(update={"toxiproxy_seed": seed % 2**63})
        if variant.small:
            # The canary's stack stands beside the run's own: fixed ports are for one of them.
            shape = shape.model_copy(update={"ports": {}})
        return choice.make(shape.kind, descriptor, shape, mutant=variant.mutant)

    return make
