"""No variable of the user's shell reaches a system under test or changes what is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from overbooked.runs.mutants import available_mutants
from overbooked.stacks.base.health import http_probe
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.processes.environment import for_process, set_aside
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess, ready_at_once
from tests.cli.conftest import REPOSITORY, Project, project
from tests.stacks.conftest import SYSTEM, preloading, system

__all__ = ["project"]

# Addresses of TEST-NET-1, which never answer.
HOSTILE = {
    "PostgreSQL's": {
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c default_transaction_read_only=on",
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "mallory",
        "PGDATABASE": "elsewhere",
        "PGSERVICE": "elsewhere",
        "PGTARGETSESSIONATTRS": "standby",
        "PGTZ": "Asia/Kathmandu",
        "PGDATA": "/nonexistent",
        "PGCLIENTENCODING": "LATIN1",
    },
    "Redis'": {"REDIS_URL": "redis://192.0.2.1", "REDISCLI_AUTH": "wrong", "REDIS_HOST": "192.0.2.1"},
    "database URLs": {"DATABASE_URL": "postgresql://192.0.2.1/x", "DATABASE_URL_TEST": "postgresql://x/y"},
    "Python's": {
        "PYTHONOPTIMIZE": "2",
        "PYTHONWARNINGS": "error",
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONDEVMODE": "1",
        "PYTHONPATH": "/nonexistent/modules",
        "PYTHONHASHSEED": "0",
    },
    "web proxies": {
        "HTTP_PROXY": "http://192.0.2.1:1",
        "http_proxy": "http://192.0.2.1:1",
        "HTTPS_PROXY": "http://192.0.2.1:1",
        "ALL_PROXY": "socks5://192.0.2.1:1",
        "no_proxy": "",
    },
    "the dynamic linker's": {"LD_BIND_NOW": "1", "LD_LIBRARY_PATH": "/nonexistent/lib"},
    "locale and time zone": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"},
    "the system's own": {"BOOKING_TIMERS": "false", "BOOKING_DB_TIMEOUT_S": "0.001", "FLASK_DEBUG": "1"},
    "a load generator's": {"LOCUST_HOST": "http://192.0.2.1"},
}
# What our own clients and the adapter would read in this process.
IN_PROCESS = {"PostgreSQL's", "Redis'", "database URLs", "web proxies", "a load generator's"}
KINDS = [pytest.param(variables, id=kind) for kind, variables in HOSTILE.items()]
EVERYTHING = {name: value for variables in HOSTILE.values() for name, value in variables.items()}
FIXED = {"LANG": "C.UTF-8", "TZ": "UTC"}

MAIN = (sys.executable, "-c", "from overbooked.cli import main; main()")
TELL = "import json, os; print(json.dumps(dict(os.environ)))"


def export(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def ownership(tmp_path: Path) -> Ownership:
    (tmp_path / "stacks").mkdir()
    return Ownership.found(tmp_path / "stacks")


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that the user who runs PostgreSQL can enter."""
    with tempfile.TemporaryDirectory(prefix="overbooked-tests-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("variables", KINDS)
async def test_a_process_of_a_stack_gets_none_of(
    variables: dict[str, str], ownership: Ownership, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(monkeypatch, variables)
    part = LocalProcess(
        "part",
        [sys.executable, "-c", TELL],
        ownership=ownership,
        log=tmp_path / "part.log",
        probe=ready_at_once,
        timeout_s=30,
        env={"PORT": "1", "REDIS_HOST": "127.0.0.1"},
    )
    await part.run()
    got = json.loads(part.log_tail()[-1])
    assert {name: got.get(name) for name in variables} == {
        name: {"REDIS_HOST": "127.0.0.1", **FIXED}.get(name) for name in variables
    }
    assert (got["PORT"], got["PATH"]) == ("1", os.environ["PATH"])


@pytest.mark.parametrize("variables", KINDS)
def test_the_command_that_lists_mutants_gets_none_of(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    export(monkeypatch, variables)
    listing = "import json, os; print(json.dumps(['='.join(both) for both in os.environ.items()]))"
    mutants = {**SYSTEM["mutants"], "list": ["{python}", "-c", listing]}  # type: ignore[dict-item]
    got = set(available_mutants(system(mutants=mutants)))
    assert not got & {f"{name}={value}" for name, value in variables.items()}


async def test_a_stack_starts_and_serves_whatever_the_shell_exports(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL, migrations, services by exec and by fork, and our own clients in this process."""
    export(monkeypatch, {**EVERYTHING, "TMPDIR": str(ground)})
    settings = StackSettings(state_dir=ground / "state", cache_dir=ground / "cache", health_timeout_s=20)
    for services in (SYSTEM["service"], preloading()):
        with set_aside():
            async with EmbeddedStack(system(service=services), settings) as stack:
                for page in ("/database", "/redis", "/payments"):
                    told = await http_probe(*stack.links["client->app"].address, page)()
                    assert told == "", page
                # As an adapter connects: with the given URL only.
                connection = await asyncpg.connect(stack.dsns["owner"], timeout=5)
                assert await connection.fetchval("SHOW default_transaction_read_only") == "off"
                await connection.close()
    assert os.environ["PGHOST"] == "192.0.2.1"  # restored for later code in this process


def test_a_descriptor_passes_on_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    mutants = {**SYSTEM["mutants"], "list": ["sh", "-c", 'echo "[\\"$JAVA_HOME\\"]"']}  # type: ignore[dict-item]
    assert list(available_mutants(system(mutants=mutants, pass_environment=["JAVA_HOME", "UNSET"]))) == [
        "/opt/java"
    ]


SCENARIO = """
import asyncio, json, os, sys, warnings
from pathlib import Path

@gap("SYS-04.c")
async def test_what_it_sees(stack, judge):
    judge.count("rounds", 3)
    Path({seen!r}).write_text(json.dumps({{
        "names": sorted(os.environ),
        "optimize": sys.flags.optimize,
        "dev_mode": sys.flags.dev_mode,
        "warnings": sys.warnoptions,
        "debug": asyncio.get_running_loop().get_debug(),
        "redis": __import__("redis").__file__,
    }}))
    assert False
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_run_judges_with_a_plain_interpreter(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """Also in workers: `assert False` must count although the shell says PYTHONOPTIMIZE=2."""
    evil = tmp_path / "evil"
    evil.mkdir()
    for name in ("redis", "asyncpg", "jsonschema"):
        (evil / f"{name}.py").write_text("raise SystemExit('a module of the shell took the place of ours')")
    export(monkeypatch, {**EVERYTHING, "PYTHONPATH": os.pathsep.join([str(evil), str(REPOSITORY)])})
    project.scenario("seen", SCENARIO.format(seen=str(tmp_path / "seen.json")))
    called = subprocess.run(
        [*MAIN, "run", "SYS-04.c", "--workers", workers],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert called.returncode == 3, called.stdout + called.stderr
    assert "AssertionError" in called.stdout + called.stderr
    seen = json.loads((tmp_path / "seen.json").read_text())
    shed = [name for kind, names in HOSTILE.items() for name in names if kind in IN_PROCESS]
    assert not set(seen["names"]) & set(shed)
    assert (seen["optimize"], seen["dev_mode"], seen["warnings"], seen["debug"]) == (0, False, [], False)
    assert not seen["redis"].startswith(str(evil))


def test_minus_o_is_refused() -> None:
    called = subprocess.run(
        [sys.executable, "-O", *MAIN[1:], "list"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (called.returncode, called.stdout) == (2, "")
    assert "-O" in called.stderr
    assert len(called.stderr.splitlines()) == 1


@pytest.mark.parametrize(("home", "passed_on"), [("/nonexistent/home", "/"), ("/", "/"), (None, None)])
def test_a_home_that_cannot_be_entered_is_not_passed_on(
    home: str | None, passed_on: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients would look for certificates in it and fail, so that every booking would get an error."""
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", home)
    assert for_process({}).get("HOME") == passed_on
    with set_aside():
        assert os.environ.get("HOME") == passed_on
    assert os.environ.get("HOME") == home
