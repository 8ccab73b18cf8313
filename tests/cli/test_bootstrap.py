"""`./overbooked`: installs once, starts at once, and never takes a half-made venv for a whole one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import REPOSITORY

# Stands in for Python, venv and pip, and writes down what it was asked.
FAKE_PYTHON = """#!/bin/sh
echo "$*" | head -n 1 >>"$DIARY"
case "$*" in
"-c"*) exit "${FITS:-0}" ;;
--version) echo "Python 3.11.7" ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*"install"*"--require-hashes"*)
    if [ -n "${STALL:-}" ]; then
        echo stalled >>"$DIARY"
        exec sleep 60 # no child, which a signal could miss while it is forked
    fi
    exit "${PIP:-0}" ;;
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

    def asked(self) -> list[str]:
        """What Python was asked since the last look."""
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
    called = checkout.call("run", PIP="1")
    assert called.returncode == 2
    assert "Nothing half-made" in called.stderr
    assert "ran" not in called.stdout
    checkout.asked()
    assert checkout.call().returncode == 0
    assert any("-m venv" in line for line in checkout.asked())


def test_an_interrupted_installation_begins_anew(checkout: Checkout) -> None:
    child = subprocess.Popen(
        [str(checkout.root / "overbooked"), "run"],
        env=checkout.environment(STALL="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 30
    while not checkout.diary.exists() or "stalled" not in checkout.diary.read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert out == ""
    assert "begins the installation anew" in err
    assert not (checkout.root / ".venv.lock").exists()
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


def test_the_lock_of_a_dead_installation_is_nobodys(checkout: Checkout) -> None:
    (checkout.root / ".venv.lock").mkdir()
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    (checkout.root / ".venv.lock" / "pid").write_text(str(dead.pid))
    assert checkout.call("list").stdout == "ran list\n"
