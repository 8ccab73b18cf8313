"""Labels of a stack's containers and networks, and the removal of those without a living owner.

Every object has labels with the stack's id and its owner (host, pid, identity), so that the next start
recognises the leftovers of a killed run and removes nothing else.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

from docker.client import DockerClient
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from overbooked.errors import StackError, UsageError
from overbooked.stacks.processes.identity import is_running, own_identity

_STACK = "org.overbooked.stack"
_HOST = "org.overbooked.host"
_PID = "org.overbooked.owner-pid"
_IDENTITY = "org.overbooked.owner-identity"
_TIMEOUT_S = 60
_REMOVED_WITHIN_S = 60


@contextmanager
def engine() -> Iterator[DockerClient]:
    """Open a client of the Docker engine at DOCKER_HOST or the default socket.

    Raises:
        UsageError: no engine answers.
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
    """Convert the engine's errors to StackErrors that name the part."""
    try:
        yield
    except (DockerException, OSError) as error:
        raise StackError(f"{part}: Docker answered {reason(error)}", part=part) from error


def labels(stack_id: str) -> dict[str, str]:
    """The labels of all objects of a stack that this process owns."""
    return {
        _STACK: stack_id,
        _HOST: platform.node(),
        _PID: str(os.getpid()),
        _IDENTITY: own_identity(),
    }


def remove_stack(stack_id: str) -> None:
    """Remove the containers and networks of one stack; missing objects are not an error.

    Raises:
        StackError: the engine refused.
    """
    with engine() as client, translated("clean-up"):
        _remove(client, {stack_id})


def sweep_containers() -> list[str]:
    """Remove the containers and networks of stacks of this host without a living owner; return their ids.

    Raises:
        UsageError: no Docker engine answers.
        StackError: the engine refused.
    """
    with engine() as client, translated("sweep"):
        dead = {stack for stack, marks in _stacks(client).items() if _ownerless(marks)}
        _remove(client, dead)
    return sorted(dead)


def reason(error: Exception) -> str:
    """The engine's error message on one line, at most 300 characters."""
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
    # Pids of another machine cannot be checked here; each machine sweeps its own stacks.
    if marks.get(_HOST) != platform.node() or not marks.get(_PID, "").isdigit():
        return False
    return not is_running(int(marks[_PID]), marks.get(_IDENTITY, ""))


def _remove(client: DockerClient, stacks: set[str]) -> None:
    for stack in stacks:
        mine: dict[str, Any] = {"label": f"{_STACK}={stack}"}
        for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
            with suppress(NotFound):
                _remove_container(container)
        for network in client.networks.list(filters=mine):
            with suppress(NotFound):
                network.remove()


def _remove_container(container: Container) -> None:
    """Remove a container, or wait for its removal if another process removes it."""
    try:
        container.remove(force=True, v=True)  # type: ignore[no-untyped-call]
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT or "in progress" not in reason(error):
            raise
        container.wait(condition="removed", timeout=_REMOVED_WITHIN_S)  # type: ignore[no-untyped-call]
