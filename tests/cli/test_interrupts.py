"""An interrupted run cleans up, reports it in one line, and never counts as a result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import REPOSITORY, Project

SLOW = """
import asyncio

@gap("SYS-04.c")
async def test_slow(stack, judge):
    judge.count("rounds")
    stack.write("at work")
    await asyncio.sleep(120)
"""
WAIT_S = 60.0


@pytest.fixture
def diary(project: Project) -> Path:
    project.scenario("slow", SLOW)
    return project.root.parent / "diary"


@contextmanager
def running(project: Project, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", "from overbooked.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "harness")},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def await_that(what: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)


def lines(diary: Path) -> list[str]:
    return diary.read_text().splitlines() if diary.exists() else []


@pytest.mark.parametrize("workers", ["0", "2"])
def test_ctrl_c_closes_every_stack_and_leaves_an_incomplete_scorecard(
    project: Project, diary: Path, workers: str
) -> None:
    with running(project, "run", "SYS-04", "--workers", workers) as child:
        await_that(lambda: "at work" in lines(diary))
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to the whole group
        _, err = child.communicate(timeout=WAIT_S)
    assert child.returncode == 130
    assert err.splitlines()[-1].startswith("overbooked: interrupted; cleaned up")
    assert "Traceback" not in err
    starts = [line for line in lines(diary) if line.startswith("start")]
    assert lines(diary).count("close") == len(starts)
    (run,) = project.runs()
    card = json.loads((run / "scorecard.json").read_text())
    assert (card["complete"], card["aborted"]) == (False, "interrupted")
    assert {"junit.xml", "summary.md", "allure-results"} <= {path.name for path in run.iterdir()}
    assert not (project.reports / "latest").exists()


def test_an_interrupted_proof_says_how_to_go_on(project: Project, diary: Path) -> None:
    project.scenario("slow", SLOW.replace("SYS-04.c", "SYS-03.c"))
    with running(project, "prove", "--mutant", "SYS-03.1", "--workers", "0") as child:
        await_that(lambda: "at work" in lines(diary))
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=WAIT_S)
    assert child.returncode == 130
    assert "overbooked prove --resume" in err


def test_workers_close_their_stacks_when_their_controller_is_killed(project: Project, diary: Path) -> None:
    with running(project, "run", "SYS-04", "--workers", "1") as child:
        await_that(lambda: "at work" in lines(diary))
        child.kill()
        await_that(lambda: lines(diary)[-1] == "close")
