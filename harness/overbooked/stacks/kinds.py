"""Chooses the kind of stack and explains the choice; `auto` never downloads images."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from overbooked.descriptor import Descriptor
from overbooked.errors import StackError
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.base.settings import Kind, StackSettings
from overbooked.stacks.containers.docker import find_engine
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.external import ExternalStack


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen kind, and one line with the reason and how to select another kind."""

    kind: Kind
    why: str


def images_of(settings: StackSettings, descriptor: Descriptor | None = None) -> list[str]:
    """Every image that a containers stack of this system needs."""
    images = settings.images
    needed = [images.postgres, images.redis, images.toxiproxy]
    needed += [images.named(s.image) for s in (descriptor.services if descriptor else ()) if s.image]
    return list(dict.fromkeys(name for name in needed if name))


def resolve_kind(kind: Kind, settings: StackSettings, descriptor: Descriptor | None = None) -> Choice:
    """Resolve `auto`; an explicitly requested kind is returned unchanged.

    `auto` means containers if a Docker engine answers and has every image, else embedded.

    Raises:
        StackError: containers were requested and no engine answers, or images are missing.
    """
    if kind == "embedded":
        return Choice(kind, "embedded: local processes, as requested")
    if kind == "external":
        return Choice(kind, "external: a running system, as requested")
    engine = find_engine()
    missing = engine.missing(images_of(settings, descriptor)) if engine.answers else []
    reason = engine.problem or (f"images missing: {', '.join(missing)}" if missing else "")
    if not reason:
        said = (
            "as requested"
            if kind == "containers"
            else "every image is local; --stack embedded runs without Docker"
        )
        return Choice("containers", f"containers: Docker {engine.version}, {said}")
    if kind == "containers":
        raise StackError(
            f"--stack containers is not available: {reason}; `overbooked doctor` shows how to get it, "
            "--stack embedded runs without Docker",
            part="docker",
        )
    return Choice("embedded", f"embedded: {reason}. With that in place, --stack containers uses Docker")


def make_stack(
    kind: Kind, descriptor: Descriptor, settings: StackSettings, *, mutant: str | None = None
) -> Stack:
    """Create a stack without starting it; `auto` is resolved first.

    Raises:
        ConfigError: the descriptor lacks a setting that this kind needs.
        StackError: the kind is not available on this machine.
    """
    if kind == "embedded":
        return EmbeddedStack(descriptor, settings, mutant=mutant)
    if kind == "external":
        return ExternalStack(descriptor, settings, mutant=mutant)
    if kind == "containers":
        # Docker's libraries are imported only if they are needed.
        module = importlib.import_module("overbooked.stacks.containers.stack")
        stack: Stack = module.ContainersStack(descriptor, settings, mutant=mutant)
        return stack
    return make_stack(resolve_kind(kind, settings, descriptor).kind, descriptor, settings, mutant=mutant)
