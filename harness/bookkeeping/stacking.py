"""The stacks of a run, made as its settings say."""

from __future__ import annotations

from harness.bookkeeping.keeper import StackFactory
from harness.bookkeeping.plan import Variant
from harness.config import Settings
from harness.errors import ConfigError
from harness.stacks.protocol import Stack


def factory(settings: Settings) -> StackFactory:
    """Makes stacks of the kind the settings choose.

    Raises:
        ConfigError: no target is named.
    """
    if settings.target.descriptor is None:
        raise ConfigError(
            "no system to judge: set [target] descriptor in overbooked.toml, "
            'e.g. descriptor = "reference_system/target/system.toml"'
        )
    descriptor = settings.target.descriptor

    def make(variant: Variant) -> Stack:
        from harness.stacks import make_stack  # noqa: PLC0415 - its drivers cost a second

        return make_stack(descriptor, settings.stack, mutant=variant.mutant, replicas=variant.replicas)

    return make
