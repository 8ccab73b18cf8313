"""What stacks own at a Docker engine, and the removal of what has no living owner.

Everything a stack makes carries labels with the stack's id and its owner (host, pid, identity), so
that what a killed run left behind is recognised at the next start and nothing else is touched.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from docker.client import DockerClient
from docker.errors import DockerException, NotFound

from overbooked.errors import StackError, UsageError
from overbooked.stacks.processes.identity import is_running, own_identity

_STACK = "org.overbooked.stack"
_HOST = "org.overbooked.host"
_PID = "org.overbooked.owner-pid"
_IDENTITY = "org.overbooked.owner-identity"
_TIMEOUT_S = 60


@contextmanager
def engine() -> Iterator[DockerClient]:
    """A client of the engine that DOCKER_HOST or the usual socket names.

    Raises:
        UsageError: none answers.
    """
    try:
        client = DockerClient.from_env(timeout=_TIMEOUT_S)  # type: ignore[no-untyped-call]
        client.ping()
    except (DockerException, OSError) as error:
        raise UsageError(
            f"the containers stack needs a Docker engine and none answers ({reason(error)}); "
            "start Docker, or use --stack embedded"
        ) from error
    try:
        yield client
    finally:
        client.close()


@contextmanager
def translated(part: str) -> Iterator[None]:
    """Turn the engine's errors into StackErrors that name the part."""
    try:
        yield
    except (DockerException, OSError) as error:
        raise StackError(f"{part}: Docker says {reason(error)}", part=part) from error


def labels(stack_id: str) -> dict[str, str]:
    """The labels of everything that belongs to a stack of this process."""
    return {
        _STACK: stack_id,
        _HOST: platform.node(),
        _PID: str(os.getpid()),
        _IDENTITY: own_identity(),
    }


def remove_stack(stack_id: str) -> None:
    """Remove the containers and networks of one stack; what is gone already is no error.

    Raises:
        StackError: the engine refused.
    """
    with engine() as client, translated("clean-up"):
        _remove(client, {stack_id})


def sweep_containers() -> list[str]:
    """Remove the containers and networks of stacks whose owner on this host is dead; returns their ids.

    Raises:
        UsageError: no Docker engine answers.
        StackError: the engine refused.
    """
    with engine() as client, translated("sweep"):
        dead = {stack for stack, marks in _stacks(client).items() if _ownerless(marks)}
        _remove(client, dead)
    return sorted(dead)


def reason(error: Exception) -> str:
    """What the engine said, on one line."""
    return " ".join(str(getattr(error, "explanation", None) or error).split())[:300]


def _stacks(client: DockerClient) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for container in client.containers.list(all=True, filters={"label": _STACK}, ignore_removed=True):
        found[container.labels[_STACK]] = container.labels
    for network in client.networks.list(filters={"label": _STACK}):
        marks: Mapping[str, str] = network.attrs.get("Labels") or {}
        found.setdefault(marks.get(_STACK, ""), marks)
    return found


def _ownerless(marks: Mapping[str, str]) -> bool:
    # Another machine's pids mean nothing here: whoever shares the engine sweeps his own.
    if marks.get(_HOST) != platform.node() or not marks.get(_PID, "").isdigit():
        return False
    return not is_running(int(marks[_PID]), marks.get(_IDENTITY, ""))


def _remove(client: DockerClient, stacks: set[str]) -> None:
    for stack in stacks:
        mine: dict[str, Any] = {"label": f"{_STACK}={stack}"}
        for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
            with suppress(NotFound):
                container.remove(force=True, v=True)
        for network in client.networks.list(filters=mine):
            with suppress(NotFound):
                network.remove()
