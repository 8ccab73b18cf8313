"""Which kind of stack is taken, and why; `auto` never stands still over a download."""

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
    """The kind taken and one line that says why and how to get the other."""

    kind: Kind
    why: str


def images_of(settings: StackSettings, descriptor: Descriptor | None = None) -> list[str]:
    """Every image that a containers stack of this system needs."""
    images = settings.images
    needed = [images.postgres, images.redis, images.toxiproxy]
    needed += [images.named(s.image) for s in (descriptor.services if descriptor else ()) if s.image]
    return list(dict.fromkeys(name for name in needed if name))


def choose(kind: Kind, settings: StackSettings, descriptor: Descriptor | None = None) -> Choice:
    """Settle `auto`; a kind that was asked for is taken as it is.

    `auto` is containers when a Docker engine answers and has every image, else embedded.

    Raises:
        StackError: containers were asked for and no engine answers, or images are missing.
    """
    if kind == "embedded":
        return Choice(kind, "embedded: local processes, as asked")
    if kind == "external":
        return Choice(kind, "external: a running system, as asked")
    engine = find_engine()
    missing = engine.missing(images_of(settings, descriptor)) if engine.answers else []
    reason = engine.problem or (f"images missing: {', '.join(missing)}" if missing else "")
    if not reason:
        said = (
            "as asked"
            if kind == "containers"
            else "every image is local; --stack embedded runs without Docker"
        )
        return Choice("containers", f"containers: Docker {engine.version}, {said}")
    if kind == "containers":
        raise StackError(
            f"--stack containers cannot be had: {reason}; `overbooked doctor` says how to get it, "
            "--stack embedded runs without Docker",
            part="docker",
        )
    return Choice("embedded", f"embedded: {reason}. With that in place, --stack containers uses Docker")


def make(kind: Kind, descriptor: Descriptor, settings: StackSettings, *, mutant: str | None = None) -> Stack:
    """A stack of a settled kind, not yet started.

    Raises:
        ConfigError: the descriptor does not have what this kind needs.
        StackError: the kind cannot be made here.
    """
    if kind == "embedded":
        return EmbeddedStack(descriptor, settings, mutant=mutant)
    if kind == "external":
        return ExternalStack(descriptor, settings, mutant=mutant)
    if kind == "containers":
        # Docker's libraries are loaded only where they are wanted.
        module = importlib.import_module("overbooked.stacks.containers.stack")
        stack: Stack = module.ContainersStack(descriptor, settings, mutant=mutant)
        return stack
    return make(choose(kind, settings, descriptor).kind, descriptor, settings, mutant=mutant)
