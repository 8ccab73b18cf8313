"""A new domain only needs its folder; the platform imports no domain."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import reference_system.booking as service
from reference_system.booking.platform import domains, jobs
from reference_system.booking.platform.app import create_app
from reference_system.booking.platform.settings import Settings

ROOMS = {
    "routes": """
from fastapi import APIRouter

router = APIRouter(prefix="/rooms", tags=["rooms"])


@router.get("")
async def list_rooms() -> list[str]:
    return []
""",
    "jobs": """
from reference_system.booking.platform import jobs


@jobs.register("air_rooms", every_s=60)
async def air(runtime):
    return {}
""",
    "startup": """
async def start(runtime):
    pass
""",
}


def settings(*, control: bool) -> Settings:
    return Settings(
        database_url="postgresql://x", redis_url="redis://x", jwt_secret="x" * 32, control=control
    )


def paths(*, control: bool) -> set[str]:
    return set(create_app(settings(control=control)).openapi()["paths"])


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new domain, as a folder beside the others."""
    folder = tmp_path / "rooms"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Rooms."""\n')
    for name, source in ROOMS.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.setattr(service, "__path__", [*service.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(jobs, "_registered", dict(jobs._registered))


@pytest.mark.usefixtures("rooms")
def test_a_new_folder_is_a_domain_with_its_routes_jobs_and_start() -> None:
    assert "/rooms" in paths(control=False)
    assert "air_rooms" in jobs.names()
    assert [start.__module__.rpartition(".")[0] for start in domains.starts()] == [
        "reference_system.booking.accounts",
        "reference_system.booking.rooms",
    ]


def test_every_domain_with_routes_is_served_and_the_control_plane_where_it_is_on() -> None:
    served = paths(control=True)
    for start in ("/accounts", "/slots", "/bookings", "/checkouts", "/webhooks/provider", "/health/ready"):
        assert any(path.startswith(start) for path in served), start
    assert served - paths(control=False) == {path for path in served if path.startswith("/_control")}


def test_the_jobs_there_are() -> None:
    domains.register_jobs()
    assert {"expire_holds", "recover_checkouts", "reconcile", "send_outbox"} <= set(jobs.names())


def test_the_platform_imports_no_domain() -> None:
    known = domains.names()
    assert {"accounts", "checkout", "venues"} <= set(known)
    for path in Path(domains.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            imported = (
                [node.module or ""] + [f"{node.module}.{alias.name}" for alias in node.names]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
            )
            for name in imported:
                assert not any(name.startswith(f"reference_system.booking.{domain}") for domain in known), (
                    f"{path.name} imports {name}"
                )
