"""A containers stack from locally built images; without them tests are skipped, or fail in CI."""

from __future__ import annotations

import os
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from overbooked.descriptor import Descriptor, load
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.containers.docker import find_engine
from overbooked.stacks.containers.stack import ContainersStack
from overbooked.stacks.kinds import images_of

ROOT = Path(__file__).parents[3]
REQUIRED = "OVERBOOKED_REQUIRE_CONTAINERS"


@pytest.fixture(scope="session")
def described() -> Descriptor:
    """The bundled system: the one whose image can be built here."""
    return load(ROOT / "reference_system/target/system.toml")


@pytest.fixture(scope="session")
def in_containers(described: Descriptor) -> StackSettings:
    """Settings that name the local images."""
    table = tomllib.loads((ROOT / "ci/images.toml").read_text(encoding="utf-8"))["stack"]
    # Generous: an engine on a loaded machine takes half a minute to start a container, and no test judges it.
    settings = StackSettings(kind="containers", start_timeout_s=180, health_timeout_s=120, **table)
    engine = find_engine()
    missing = engine.missing(images_of(settings, described)) if engine.answers else []
    if why := engine.problem or (f"images missing: {', '.join(missing)}" if missing else ""):
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{REQUIRED} is set, but {why}; run ci/docker-engine.sh and ci/build-images.sh")
        pytest.skip(f"{why}; ci/build-images.sh builds them")
    return settings


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def stack(described: Descriptor, in_containers: StackSettings) -> AsyncIterator[ContainersStack]:
    """One started stack for all tests here; each leaves it intact."""
    async with ContainersStack(described, in_containers) as started:
        yield started
