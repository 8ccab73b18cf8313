"""The choice of the kind of stack; the container engine is a fake."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from overbooked.errors import StackError
from overbooked.stacks import kinds as choice
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.containers.docker import find_engine
from overbooked.stacks.doctor import Check, CheckState, examine
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.external import ExternalStack
from overbooked.stacks.kinds import images_of, make_stack, resolve_kind
from overbooked.stacks.processes.ownership import Ownership
from tests.stacks.conftest import system

EXTERNAL = {"urls": {"app": "http://127.0.0.1:1"}}


class Engine(BaseHTTPRequestHandler):
    """Has every image except those named `absent`."""

    version: ClassVar[dict[str, str] | None] = {"Version": "27.1"}

    def do_GET(self) -> None:
        if self.path == "/version":
            self._answer(200 if self.version else 500, self.version)
        else:
            self._answer(404 if "absent" in self.path else 200, {})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def address_string(self) -> str:
        return "local"

    def log_message(self, *_: object) -> None:
        pass


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Engine]]:
    handler = type("Handler", (Engine,), {})
    server = UnixServer(str(tmp_path / "engine.sock"), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


def with_images(**images: str) -> StackSettings:
    return StackSettings.model_validate({"images": images})


def test_auto_takes_containers_when_every_image_is_local(engine) -> None:
    found = resolve_kind("auto", StackSettings())
    assert found.kind == "containers"
    assert found.why == "containers: Docker 27.1, every image is local; --stack embedded runs without Docker"


def test_auto_never_waits_for_a_download(engine) -> None:
    found = resolve_kind("auto", with_images(postgres="absent:18"))
    assert found.kind == "embedded"
    assert "images missing: absent:18" in found.why
    assert "--stack containers" in found.why


def test_auto_without_an_engine_is_embedded(no_engine) -> None:
    found = resolve_kind("auto", StackSettings())
    assert found.kind == "embedded"
    assert "no Docker engine" in found.why


@pytest.mark.parametrize("kind", ["embedded", "external"])
def test_what_is_asked_for_is_taken_without_asking_docker(no_engine, kind: Any) -> None:
    assert resolve_kind(kind, StackSettings()).kind == kind


def test_containers_that_can_be_had_are_taken(engine) -> None:
    assert resolve_kind("containers", StackSettings()).why == "containers: Docker 27.1, as requested"


def test_containers_without_an_engine_are_one_clear_line(no_engine) -> None:
    with pytest.raises(StackError, match="--stack containers is not available: no Docker engine") as caught:
        resolve_kind("containers", StackSettings())
    assert "\n" not in str(caught.value)
    assert caught.value.part == "docker"


def test_the_images_of_the_systems_own_services_are_asked_for_too(engine) -> None:
    services = [
        {"name": "app", "command": ["x"], "image": "mine"},
        {"name": "payments", "command": ["x"], "image": "absent/provider:1"},
    ]
    settings = with_images(mine="absent/app:2")
    described = system(service=services)
    assert images_of(settings, described)[-2:] == ["absent/app:2", "absent/provider:1"]
    with pytest.raises(StackError, match="images missing: absent/app:2, absent/provider:1"):
        resolve_kind("containers", settings, described)


def test_each_kind_makes_its_stack(no_engine, monkeypatch: pytest.MonkeyPatch) -> None:
    described = system(external=EXTERNAL)
    assert isinstance(make_stack("embedded", described, StackSettings()), EmbeddedStack)
    assert isinstance(make_stack("external", described, StackSettings()), ExternalStack)
    assert isinstance(make_stack("auto", described, StackSettings()), EmbeddedStack)

    class Containers:
        def __init__(self, *_: object, mutant: str | None) -> None:
            self.mutant = mutant

    class Module:
        ContainersStack = Containers

    monkeypatch.setattr(choice.importlib, "import_module", lambda _: Module)
    assert make_stack("containers", described, StackSettings(), mutant="SYS-03.1").mutant == "SYS-03.1"


# -- the engine ---------------------------------------------------------------------------------


def test_an_engine_in_trouble_is_not_taken(engine) -> None:
    engine.version = None
    found = find_engine()
    assert not found.answers
    assert "answered 500" in found.problem
    assert found.missing(["a", "b"]) == ["a", "b"]


def test_a_daemon_that_is_down_is_told_from_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    UnixServer(str(tmp_path / "down.sock"), Engine).server_close()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/down.sock")
    assert find_engine().problem.startswith("the Docker daemon is down")


@pytest.mark.parametrize("host", ["ssh://somewhere", "nonsense", "tcp://127.0.0.1:1"])
def test_an_engine_that_cannot_be_asked_is_a_problem_and_no_crash(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert find_engine().problem


def test_a_socket_that_is_not_ours_to_use_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from overbooked.stacks.containers import docker as docker_socket

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(docker_socket, "_get", refuse)
    assert "group docker?" in find_engine().problem


def test_an_engine_that_goes_away_has_no_images(engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from overbooked.stacks.containers import docker as docker_socket

    found = find_engine()

    def fail(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(docker_socket, "_get", fail)
    assert found.missing(["a"]) == ["a"]


# -- the doctor ---------------------------------------------------------------------------------


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_machine_that_has_everything_is_well(engine, settings: StackSettings) -> None:
    found = by_name(examine(settings.model_copy(update={"toxiproxy": "ours"}), system()))
    for name in ("Python", "PostgreSQL", "Redis", "Toxiproxy", "Docker engine", "images", "stack"):
        assert found[name].state is CheckState.OK, found[name]
    assert found["disk for stacks"].state is CheckState.OK
    assert found["leftovers"].found == "none"


def test_what_is_missing_comes_with_how_to_get_it(no_engine, settings: StackSettings, tmp_path: Path) -> None:
    broken = settings.model_copy(
        update={
            "postgres_bin": tmp_path,
            "redis_server": tmp_path / "redis-server",
            "toxiproxy": str(tmp_path / "toxiproxy"),
            "min_free_mb": 10**9,
            "kind": "containers",
        }
    )
    found = by_name(examine(broken))
    for name in ("PostgreSQL", "Redis", "Toxiproxy", "disk for cache", "stack"):
        assert found[name].state is CheckState.MISSING, found[name]
    assert "has no initdb and no postgres" in found["PostgreSQL"].found
    assert "start the Docker daemon" in found["Docker engine"].advice
    assert found["Docker engine"].state is CheckState.OPTIONAL


def test_missing_images_are_optional(engine, settings: StackSettings) -> None:
    images = with_images(redis="absent:8").images
    found = by_name(examine(settings.model_copy(update={"images": images})))
    assert found["images"].state is CheckState.OPTIONAL
    assert "absent:8" in found["images"].found


def test_leftovers_are_counted(no_engine, settings: StackSettings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"state_dir": settings.state_dir.parent / "doctor"})
    (own.state_dir / "stacks").mkdir(parents=True)
    left = Ownership.found(own.state_dir / "stacks")
    record = left.directory / "owner.json"
    record.write_text(record.read_text().replace('"identity": "', '"identity": "gone'))
    found = by_name(examine(own))
    assert found["leftovers"].found == "1 stacks of killed runs, 0 processes"
    left.remove()


def test_a_folder_that_cannot_be_used_is_missing(no_engine, ground: Path) -> None:
    (ground / "flat").touch()
    found = by_name(examine(StackSettings(state_dir=ground / "flat", cache_dir=ground / "cache")))
    assert "state_dir cannot be used" in found["disk"].found


def test_another_platform_is_told_what_it_needs(
    no_engine, settings: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from overbooked.stacks import doctor

    monkeypatch.setattr(doctor.platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(doctor.sys, "version_info", (3, 9, 0))
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    found = by_name(examine(settings))
    assert found["platform"].state is CheckState.OPTIONAL
    assert "postgres_bin" in found["platform"].advice
    assert found["Python"].state is CheckState.MISSING
    assert found["Docker client"].state is CheckState.OPTIONAL
