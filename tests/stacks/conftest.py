"""A stand-in system, and folders that PostgreSQL's user can read, whichever user runs the tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from overbooked.descriptor import Descriptor
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack

ROOT = Path(__file__).parents[2]

SYSTEM = {
    "name": "standin",
    "adapter": "tests.stacks.standin:Adapter",
    "root": ROOT,
    "database": {
        "migrate": ["{python}", "tests/stacks/migrate.py"],
        "migrate_env": {"OWNER_URL": "{owner_url}"},
        "migrations": ["tests/stacks/migrate.py"],
    },
    "redis": {},
    "service": [
        {
            "name": "app",
            "replicas": 2,
            "command": ["{python}", "-m", "tests.stacks.standin", "{host}", "{port}"],
            "env": {
                "DATABASE_URL": "{database_url}",
                "REDIS_URL": "{redis_url}",
                "PROVIDER_URL": "{payments_url}",
            },
        },
        {
            "name": "payments",
            "command": ["{python}", "-m", "tests.stacks.standin", "{host}", "{port}"],
            "env": {"APP_URL": "{app_url}"},
        },
    ],
    "mutants": {
        "list": ["{python}", "-c", "print('[]')"],
        "serve": ["{python}", "-m", "tests.stacks.standin", "{host}", "{port}", "{mutant}"],
        "prepare": ["{python}", "tests/stacks/migrate.py", "prepare"],
        "prepare_env": {"OWNER_URL": "{owner_url}"},
    },
}


def system(**changes: object) -> Descriptor:
    """Return the stand-in's descriptor; a change of None omits the table."""
    merged = {key: value for key, value in {**SYSTEM, **changes}.items() if value is not None}
    return Descriptor.model_validate(merged)


def service(*, app: dict[str, object] | None = None) -> list[dict[str, object]]:
    """Return only the service, without a provider, with changes."""
    first = {
        "name": "app",
        "command": ["{python}", "-m", "tests.stacks.standin", "{host}", "{port}"],
        **(app or {}),
    }
    return [first]


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """A folder that every user can enter (pytest's own are for its user alone)."""
    folder = Path(tempfile.mkdtemp(prefix="overbooked-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def settings(ground: Path) -> StackSettings:
    return StackSettings(state_dir=ground / "state", cache_dir=ground / "cache", health_timeout_s=20)


def preloading() -> list[dict[str, object]]:
    """The stand-in's services, started by fork."""
    return [{**one, "preload": ["psycopg"]} for one in SYSTEM["service"]]  # type: ignore[dict-item, attr-defined]


@pytest.fixture(scope="session", params=["executed", "forked"])
async def stack(settings: StackSettings, request: pytest.FixtureRequest) -> AsyncIterator[EmbeddedStack]:
    """A running stand-in system for tests that do not change it, with both ways to start."""
    descriptor = system(service=preloading()) if request.param == "forked" else system()
    async with EmbeddedStack(descriptor, settings) as running:
        yield running


def folders(settings: StackSettings) -> set[Path]:
    """Return the existing folders of stacks."""
    assert settings.state_dir is not None
    stacks = settings.state_dir / "stacks"
    return set(stacks.iterdir()) if stacks.is_dir() else set()
