"""Finds the real toxiproxy-server; builds it once if Go is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NoReturn

import filelock
import platformdirs
import pytest

_ROOT = Path(__file__).parents[2]
_BUILD_TIMEOUT_S = 240


def real_server() -> Path:
    """Return the binary; without it the test is skipped, or with OVERBOOKED_REQUIRE_TOXIPROXY=1 fails."""
    named = os.environ.get("TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")
    if named:
        if not os.access(named, os.X_OK):
            pytest.fail(f"TOXIPROXY_SERVER={named} cannot be executed")
        return Path(named)
    cache = platformdirs.user_cache_path("overbooked") / "toxiproxy-2.12.0"
    binary = cache / "toxiproxy-server"
    if binary.exists():
        return binary
    if shutil.which("go") is None:
        _go_without("neither toxiproxy-server nor Go to build it with")
    cache.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(cache / "lock", timeout=_BUILD_TIMEOUT_S + 10):
        if not binary.exists():
            _build(cache)
    return binary


def _build(into: Path) -> None:
    child = subprocess.Popen(
        [_ROOT / "ci/build-toxiproxy.sh", into],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, said = child.communicate(timeout=_BUILD_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        _go_without(f"toxiproxy-server was not built within {_BUILD_TIMEOUT_S} s")
    if child.returncode != 0:
        _go_without(f"toxiproxy-server cannot be built: {said.strip()[-300:]}")


def _go_without(why: str) -> NoReturn:
    if os.environ.get("OVERBOOKED_REQUIRE_TOXIPROXY") == "1":
        pytest.fail(why)
    pytest.skip(why)
