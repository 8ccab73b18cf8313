"""Makes the stacks of a run according to its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overbooked.capabilities import check
from overbooked.config import Settings
from overbooked.descriptor import Descriptor, load
from overbooked.errors import ConfigError, StackError, UsageError
from overbooked.machine.descriptors import ensure, needed
from overbooked.plugin.stack_manager import StackFactory
from overbooked.runs.plan import Variant
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.base.settings import Kind, StackSettings

if TYPE_CHECKING:
    from overbooked.stacks.kinds import Choice


def load_descriptor(settings: Settings) -> Descriptor:
    """Return the descriptor of the system that the settings name.

    Raises:
        ConfigError: the settings name none, or its descriptor is invalid.
    """
    if settings.target.descriptor is None:
        raise ConfigError(
            "no system to judge: set [target] descriptor in overbooked.toml, "
            'e.g. descriptor = "reference_system/target/system.toml"'
        )
    found = load(settings.target.descriptor)
    return found.model_copy(update={"beside": (*found.beside, settings.root.resolve())})


def resolve_kind(settings: Settings, descriptor: Descriptor) -> Choice:
    """Resolve the kind of stack, `auto` included, before anything is started.

    Raises:
        ConfigError: the adapter cannot be loaded, or declares verbs that it does not implement.
        UsageError: the requested kind is not available, or the limit of file descriptors of this process
            is too low.
    """
    check(descriptor.load_adapter())
    from overbooked.stacks.kinds import resolve_kind  # noqa: PLC0415 - its drivers cost a while

    ensure(needed(_largest_burst(settings)))
    try:
        return resolve_kind(settings.stack.kind, settings.stack, descriptor)
    except StackError as error:
        raise UsageError(str(error)) from error


def workers_for(kind: Kind, settings: StackSettings, wanted: int) -> tuple[int, str]:
    """Return the possible number of concurrent workers, and the reason if it is lower than requested, else
    "".

    An external system is a single instance, and holding its messages would affect every worker; a fixed
    port can be used by one stack only.
    """
    if wanted < 2:
        return wanted, ""
    if kind == "external":
        return 1, f"one worker, not {wanted}: there is one running system, and its links have one address"
    if settings.ports:
        fixed = ", ".join(sorted(settings.ports))
        return 1, f"one worker, not {wanted}: [stack.ports] fixes {fixed}, which only one stack can use"
    return wanted, ""


def _largest_burst(settings: Settings) -> int:
    return settings.active_profile().largest_burst


def stack_factory(settings: Settings, *, seed: int | None = None) -> StackFactory:
    """Return a function that makes stacks of the configured kind, each in the shape of its variant.

    Args:
        seed: the run's seed; with the bundled Toxiproxy server it also determines the random draws of toxics.

    Raises:
        ConfigError: the settings name no system, or its adapter cannot be used.
    """
    descriptor = load_descriptor(settings)
    check(descriptor.load_adapter())
    ensure(needed(_largest_burst(settings)))

    def make(variant: Variant) -> Stack:
        from overbooked.stacks import kinds as choice  # noqa: PLC0415 - its drivers cost a while

        shape = settings.stack
        if variant.replicas is not None:
            shape = shape.model_copy(update={"replicas": variant.replicas})
        if shape.toxiproxy_seed is None and seed is not None:
            shape = shape.model_copy(update={"toxiproxy_seed": seed % 2**63})
        if variant.small:
            # The canary's stack runs next to the run's own, and only one of them can use fixed ports.
            shape = shape.model_copy(update={"ports": {}})
        return choice.make_stack(shape.kind, descriptor, shape, mutant=variant.mutant)

    return make
