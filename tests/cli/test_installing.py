"""`./overbooked` with real venv and pip installs the locked versions, whatever an index offers."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .conftest import REPOSITORY
from .wheels import wheel

# A build backend in the tree, so that the project is built without downloads.
BACKEND = """
import sys
sys.path.insert(0, {tests!r})
from wheels import wheel

def build_editable(directory, settings=None, metadata=None):
    files = {{"project_code.py": "def main(): import alpha, beta; print(alpha.V, beta.V)"}}
    return wheel(directory, "project", "1", requires=["alpha"], files=files,
                 scripts={{"overbooked": "project_code:main"}}).name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "project"
version = "1"
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index on loopback with two releases of two packages, the newer ones not in the lock.

    alpha needs `beta[fast]`, whose extra needs gamma. If pip resolved dependencies, it would read the newest
    beta for its extra, for which the lock has no hash.
    """
    simple = tmp_path / "index" / "simple"
    for version in ("1.0", "2.0"):
        packages = {
            "alpha": {"requires": ["beta[fast]>=1.0"]},
            "beta": {"requires": ['gamma>=1.0; extra == "fast"'], "extras": ["fast"]},
            "gamma": {},
        }
        for name, more in packages.items():
            (simple / name).mkdir(parents=True, exist_ok=True)
            wheel(simple / name, name, version, **more)  # type: ignore[arg-type]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(simple.parent)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/simple"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def checkout(tmp_path: Path, index: str) -> Path:
    """A project whose lock file names the older release of each package."""
    root = tmp_path / "checkout"
    root.mkdir()
    shutil.copy(REPOSITORY / "overbooked", root)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND.format(tests=str(Path(__file__).parent)))
    lines = []
    for name in ("alpha", "beta", "gamma"):
        locked = tmp_path / "index" / "simple" / name / f"{name}-1.0-py3-none-any.whl"
        lines.append(f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(locked.read_bytes()).hexdigest()}\n")
    (root / "requirements.lock").write_text("".join(lines))
    return root


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with only pip, shared because creating one takes long."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--symlinks", str(folder)], check=True, timeout=120)
    return folder


@pytest.fixture
def begun(checkout: Path, bare: Path) -> Path:
    """The checkout with a venv of an earlier lock, which has to be updated."""
    venv = Path(shutil.copytree(bare, checkout / ".venv", symlinks=True))
    (venv / "overbooked.venv").touch()
    (venv / "overbooked.stamp").write_text(f"{checkout}\nan earlier lock\n")
    return checkout


def call(checkout: Path, index: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return subprocess.run(
        [str(checkout / "overbooked")],
        env={
            **kept,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index,
            "PIP_CACHE_DIR": str(checkout.parent / "cache"),
            "OVERBOOKED_PYTHON": sys.executable,
            **more,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_locked_releases_are_installed_although_the_index_has_newer_ones(
    checkout: Path, index: str
) -> None:
    called = call(checkout, index)
    assert (called.returncode, called.stdout) == (0, "1.0 1.0\n"), called.stderr


def test_settings_of_the_users_pip_and_python_have_no_say(begun: Path, index: str, tmp_path: Path) -> None:
    """pip treats a package on PYTHONPATH as installed; a constraint has no hashes."""
    there = tmp_path / "there"
    there.mkdir()
    with zipfile.ZipFile(tmp_path / "index" / "simple" / "alpha" / "alpha-1.0-py3-none-any.whl") as archive:
        archive.extractall(there)
    (tmp_path / "constraints").write_text("beta==2.0\n")
    called = call(
        begun,
        index,
        PYTHONPATH=str(there),
        PYTHONHOME="/nonexistent",
        PIP_TARGET=str(there),
        PIP_CONSTRAINT=str(tmp_path / "constraints"),
        PIP_USER="1",
        PIP_PRE="1",
    )
    assert (called.returncode, called.stdout) == (0, "1.0 1.0\n"), called.stderr
    assert list((begun / ".venv").rglob("alpha-1.0.dist-info"))


def test_a_lock_without_a_needed_package_is_refused(begun: Path, index: str) -> None:
    lock = begun / "requirements.lock"
    lock.write_text(lock.read_text().partition("beta")[0])
    called = call(begun, index)
    assert (called.returncode, called.stdout) == (2, "")
    assert "requirements.lock is incomplete" in called.stderr
    assert "beta" in called.stderr
    assert not (begun / ".venv").exists()


def test_a_package_that_is_not_the_locked_one_is_refused_in_one_line(begun: Path, index: str) -> None:
    lock = begun / "requirements.lock"
    lock.write_text(lock.read_text()[:-8] + "0000000\n")
    called = call(begun, index)
    assert (called.returncode, called.stdout) == (2, "")
    *_, last = called.stderr.splitlines()
    assert len(called.stderr.splitlines()) == 3, called.stderr
    assert "a package of the index is not the one in requirements.lock: gamma==1.0" in last
    assert not (begun / ".venv").exists()


def test_without_an_index_it_gives_up_soon_in_one_line(begun: Path) -> None:
    called = call(begun, "http://127.0.0.1:9/simple")
    assert (called.returncode, called.stdout) == (2, "")
    assert len(called.stderr.splitlines()) == 3, called.stderr
    assert "no package index answers" in called.stderr
    assert not (begun / ".venv").exists()


def test_a_release_that_the_index_lacks_for_this_platform_is_one_line(
    begun: Path, index: str, tmp_path: Path
) -> None:
    for made in (tmp_path / "index" / "simple" / "gamma").iterdir():
        made.rename(made.with_name(made.name.replace("py3-none-any", "cp311-cp311-win32")))
    called = call(begun, index)
    assert (called.returncode, called.stdout) == (2, "")
    assert len(called.stderr.splitlines()) == 3, called.stderr
    assert "no wheel of gamma==1.0 for this Python and platform" in called.stderr
