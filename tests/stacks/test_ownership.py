"""Leftovers of a dead owner are removed; everything else stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overbooked.stacks.processes.identity import (
    identity,
    is_running,
    namespace,
    own_identity,
    wait_until_gone,
)
from overbooked.stacks.processes.ownership import MARKER, Ownership, leftovers, sweep

SLEEPER = [sys.executable, "-c", "import sys, time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    folder = tmp_path / "stacks"
    folder.mkdir()
    return folder


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def sleeper(started: list[subprocess.Popen[bytes]], **env: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, env={**os.environ, **env})
    started.append(process)
    assert process.stdout
    process.stdout.readline()
    return process


def abandon(ownership: Ownership, **owner: object) -> None:
    """Write another owner into the record, by default one that has ended."""
    path = ownership.directory / "owner.json"
    record = json.loads(path.read_text())
    record["owner"].update({"identity": "gone", **owner})
    path.write_text(json.dumps(record))


# -- identity -----------------------------------------------------------------------------------


def test_a_process_keeps_its_identity_and_a_later_one_has_another(sleepers) -> None:
    first, second = sleeper(sleepers), sleeper(sleepers)
    assert identity(first.pid) == identity(first.pid)
    assert is_running(first.pid, identity(first.pid) or "")
    assert not is_running(first.pid, identity(os.getpid()) or "")
    assert not is_running(second.pid, "")


def test_a_zombie_has_ended(sleepers) -> None:
    process = sleeper(sleepers)
    known = identity(process.pid) or ""
    process.kill()
    assert wait_until_gone({process.pid: known}, 5) == []
    assert identity(process.pid) is None


def test_who_outlives_the_deadline_is_named() -> None:
    assert wait_until_gone({os.getpid(): own_identity()}, 0.01) == [os.getpid()]


# -- the record ---------------------------------------------------------------------------------


def test_a_stack_is_on_record_from_its_first_moment(stacks: Path) -> None:
    ownership = Ownership.found(stacks)
    record = json.loads((ownership.directory / "owner.json").read_text())
    assert record["owner"] == {
        "pid": os.getpid(),
        "identity": own_identity(),
        "namespace": namespace(),
    }
    ownership.remove()
    ownership.remove()
    assert list(stacks.iterdir()) == []


def test_processes_come_and_go_on_the_record(stacks: Path) -> None:
    ownership = Ownership.found(stacks)
    ownership.record("app", os.getpid())
    record = json.loads((ownership.directory / "owner.json").read_text())
    assert record["processes"] == [{"name": "app", "pid": os.getpid(), "identity": own_identity()}]
    ownership.forget(os.getpid())
    ownership.forget(os.getpid())
    assert json.loads((ownership.directory / "owner.json").read_text())["processes"] == []


# -- the sweep ----------------------------------------------------------------------------------


def test_processes_and_folder_of_a_dead_owner_are_removed(stacks: Path, sleepers) -> None:
    ownership = Ownership.found(stacks)
    process = sleeper(sleepers)
    ownership.record("app", process.pid)
    abandon(ownership)
    assert [left.pids for left in leftovers(stacks)] == [(process.pid,)]
    assert sweep(stacks) == [ownership.id]
    assert process.wait(5) == -9
    assert not ownership.directory.exists()
    assert sweep(stacks) == []


def test_what_belongs_to_a_living_owner_stays(stacks: Path, sleepers) -> None:
    ownership = Ownership.found(stacks)
    process = sleeper(sleepers)
    ownership.record("app", process.pid)
    owner = sleeper(sleepers)
    abandon(ownership, pid=owner.pid, identity=identity(owner.pid))
    assert sweep(stacks) == []
    assert process.poll() is None
    assert ownership.directory.exists()


def test_a_pid_that_was_used_again_is_not_killed(stacks: Path, sleepers) -> None:
    ownership = Ownership.found(stacks)
    stranger = sleeper(sleepers)
    ownership.record("app", stranger.pid)
    path = ownership.directory / "owner.json"
    path.write_text(path.read_text().replace(identity(stranger.pid) or "", "another start"))
    abandon(ownership)
    assert sweep(stacks) == [ownership.id]
    assert stranger.poll() is None


def test_what_a_child_started_in_turn_is_found_by_its_mark(stacks: Path, sleepers) -> None:
    ownership = Ownership.found(stacks)
    grandchild = sleeper(sleepers, **{MARKER: ownership.id})
    other = sleeper(sleepers, **{MARKER: "another"})
    abandon(ownership)
    sweep(stacks)
    assert grandchild.wait(5) == -9
    assert other.poll() is None


def test_an_owner_in_another_container_is_not_judged(stacks: Path) -> None:
    ownership = Ownership.found(stacks)
    boot = namespace().partition("/")[0]
    abandon(ownership, namespace=f"{boot}/pid:[1]")
    assert sweep(stacks) == []
    assert ownership.directory.exists()


def test_what_was_up_before_a_reboot_is_removed(stacks: Path) -> None:
    ownership = Ownership.found(stacks)
    abandon(ownership, namespace="an earlier boot/pid:[1]")
    assert sweep(stacks) == [ownership.id]


def test_a_folder_without_a_record_is_somebody_elses(stacks: Path) -> None:
    (stacks / "notes").mkdir()
    broken = stacks / "broken"
    broken.mkdir()
    (broken / "owner.json").write_text('{"owner": 3}')
    assert sweep(stacks) == []
    assert sorted(p.name for p in stacks.iterdir()) == ["broken", "notes"]


def test_a_folder_that_was_never_finished_is_removed_with_its_maker_dead(stacks: Path, sleepers) -> None:
    living = sleeper(sleepers)
    dead = sleeper(sleepers)
    dead.kill()
    dead.wait()
    (stacks / f".new-{living.pid}-aa").mkdir()
    (stacks / f".new-{dead.pid}-bb").mkdir()
    assert sweep(stacks) == [f".new-{dead.pid}-bb"]
    assert [p.name for p in stacks.iterdir()] == [f".new-{living.pid}-aa"]


def test_nothing_is_left_where_nothing_was(tmp_path: Path) -> None:
    assert leftovers(tmp_path / "nowhere") == []
