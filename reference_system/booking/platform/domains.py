"""The domains of the service, found by their folders: adding a domain only adds a folder.

A domain is a folder beside `platform`. The application uses three of its modules, each optional:

- `routes`: `router`, a fastapi.APIRouter. With a function `is_served(settings)` beside it, the router is
  included only if it returns true.
- `jobs`: importing it registers its jobs (`platform.jobs.register`).
- `startup`: `start(runtime)`, a coroutine function that runs in the background from start-up on.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

import reference_system.booking as service
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings

Start = Callable[[Runtime], Awaitable[None]]


def names() -> list[str]:
    """Return the names of the domains, sorted."""
    return sorted(
        path.parent.name
        for folder in map(Path, service.__path__)
        for path in folder.glob("*/__init__.py")
        if path.parent.name != "platform"
    )


def register_jobs() -> None:
    """Import the module `jobs` of every domain that has one."""
    for _ in _modules("jobs"):
        pass


def routers(settings: Settings) -> list[APIRouter]:
    """Return the routers that these settings allow, in order of their domains."""
    return [
        module.router
        for module in _modules("routes")
        if not hasattr(module, "is_served") or module.is_served(settings)
    ]


def starts() -> list[Start]:
    """Return the `start` functions of the domains."""
    return [module.start for module in _modules("startup")]


def _modules(name: str) -> Iterator[ModuleType]:
    for domain in names():
        if any((Path(folder) / domain / f"{name}.py").is_file() for folder in service.__path__):
            yield importlib.import_module(f"{service.__name__}.{domain}.{name}")
