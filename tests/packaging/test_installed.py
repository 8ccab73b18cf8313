"""Overbooked installed from its wheel into another project, whose folders have the same names as ours."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.packaging import project_files

ROOT = Path(__file__).parents[2]

DESCRIPTOR = """
name = "theatre"

[adapter]
class = "box_office:BoxOffice"

[[service]]
name = "app"
command = ["{python}", "booking/theatre.py", "--host={host}", "--port={port}", "--file={data_dir}/t.db"]
health = "/up"
"""

SETTINGS = """
canary = ""
workers = 2
seed = 3

catalogs = ["gaps.toml"]
scenarios = ["bundled", "mine"]

[target]
descriptor = "system.toml"

[stack]
kind = "embedded"

[profiles.quick.budget]
rounds = 3
bursts = [2, 6]
"""

# A service on PostgreSQL, whose booking is one autocommit statement that checks and inserts.
DATABASE_DESCRIPTOR = """
name = "shop"

[adapter]
class = "shop_adapter:Probe"

[database]
name = "booking"
migrate = ["{python}", "migrate.py"]
migrate_env = { OWNER_URL = "{owner_url}" }

[[service]]
name = "app"
replicas = 2
command = ["{python}", "service.py", "--host", "{host}", "--port", "{port}"]
health = "/up"

[service.env]
DATABASE_URL = "{database_url}"
"""


class Installed:
    """A virtual environment with the wheel, and a project beside it."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "venv" / "bin" / "python"
        self.project = folder / "project"
        venv.create(folder / "venv", with_pip=False)
        places = sysconfig.get_paths("venv", {"base": str(folder / "venv"), "installed_base": sys.prefix})
        # The dependencies are this environment's; Overbooked itself is the wheel's.
        (Path(places["purelib"]) / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
        wheels = folder / "wheels"
        self._called([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)], ROOT)
        (wheel,) = wheels.glob("*.whl")
        install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
        self._called([sys.executable, "-m", "pip", "--python", str(self.python), *install], folder)
        self.project.mkdir()
        for name in ("scenarios", "harness"):
            (self.project / name).mkdir()
            (self.project / name / "__init__.py").write_text("raise RuntimeError('the project has its own')")
        (self.project / "booking").mkdir()
        shutil.copy(ROOT / "tests/second_system/theatre.py", self.project / "booking" / "theatre.py")
        shutil.copy(ROOT / "tests/second_system/adapter.py", self.project / "box_office.py")
        (self.project / "system.toml").write_text(DESCRIPTOR)
        (self.project / "overbooked.toml").write_text(SETTINGS)
        (self.project / "gaps.toml").write_text(project_files.GAPS)
        (self.project / "mine").mkdir()
        (self.project / "mine" / "test_seats.py").write_text(project_files.SCENARIO)
        self.deeper = self.project / "docs" / "manual"
        self.deeper.mkdir(parents=True)
        self.shop = folder / "shop"
        self.shop.mkdir()
        for name, copied in (("service", "service"), ("migrate", "migrate"), ("adapter", "shop_adapter")):
            shutil.copy(ROOT / f"tests/overlap_system/{name}.py", self.shop / f"{copied}.py")
        (self.shop / "system.toml").write_text(DATABASE_DESCRIPTOR)
        (self.shop / "overbooked.toml").write_text('canary = ""\n[target]\ndescriptor = "system.toml"\n')

    def overbooked(self, *arguments: str, within: Path | None = None) -> subprocess.CompletedProcess[str]:
        program = str(self.python.with_name("overbooked"))
        return self._called([program, *arguments], within or self.project, check=False)

    def pytest(self, *arguments: str, within: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        return self._called(command, within or self.project, check=False)

    def mypy(self, *files: Path, cache: Path) -> subprocess.CompletedProcess[str]:
        """Type-check files of a user's against the installed package."""
        options = ["--strict", f"--python-executable={self.python}", f"--cache-dir={cache}", "--config-file="]
        return self._called([sys.executable, "-m", "mypy", *options, *map(str, files)], cache, check=False)

    @staticmethod
    def _called(command: list[str], folder: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        unset = ("OVERBOOKED_", "PYTEST_", "PYTHON", "COV_")
        environment = {name: text for name, text in os.environ.items() if not name.startswith(unset)}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=150, check=check
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def test_the_list_has_the_bundled_scenarios(installed: Installed) -> None:
    called = installed.overbooked("list", "SYS-03", "--json")
    (gap,) = json.loads(called.stdout)
    assert (gap["covered"], gap["total"]) == (5, 5), called.stderr


def test_a_run_judges_the_project_by_the_bundled_scenarios(installed: Installed) -> None:
    called = installed.overbooked("run", "SYS-03.a", "SYS-03.c", "--json")
    card = json.loads(called.stdout)
    clauses = {one["id"]: one for gap in card["gaps"] for one in gap["clauses"]}
    assert clauses["SYS-03.c"]["verdict"] == "closed", called.stderr
    assert clauses["SYS-03.a"]["verdict"] == "not covered"
    assert "needs a link to the store" in clauses["SYS-03.a"]["reason"]


def test_plain_pytest_finds_the_bundled_scenarios(installed: Installed) -> None:
    called = installed.pytest("--pyargs", "overbooked.scenarios", "-k", "last_place_is_sold", "-q")
    assert "closed        SYS-03.c" in called.stdout, called.stdout + called.stderr


@pytest.mark.parametrize("folder", ["project", "deeper"])
def test_a_run_judges_the_projects_own_gap_from_any_folder(installed: Installed, folder: str) -> None:
    called = installed.overbooked("run", "THEATRE-01", "--json", within=getattr(installed, folder))
    card = json.loads(called.stdout)
    (clause,) = [one for gap in card["gaps"] for one in gap["clauses"]]
    assert (clause["id"], clause["verdict"]) == ("THEATRE-01.a", "closed"), called.stderr


def test_the_projects_own_scenario_is_in_the_list(installed: Installed) -> None:
    called = installed.overbooked("list", "THEATRE-01", "--json", within=installed.deeper)
    (gap,) = json.loads(called.stdout)
    assert (gap["covered"], gap["total"]) == (1, 1), called.stderr


@pytest.mark.parametrize("folder", ["project", "deeper"])
def test_plain_pytest_runs_the_projects_own_scenario_from_any_folder(
    installed: Installed, folder: str
) -> None:
    where = str(installed.project / "mine" / "test_seats.py")
    called = installed.pytest(where, "-q", within=getattr(installed, folder))
    assert "1 passed" in called.stdout, called.stdout + called.stderr
    assert "closed        THEATRE-01.a" in called.stdout, called.stdout + called.stderr


def test_a_race_of_the_projects_service_is_explored(installed: Installed) -> None:
    called = installed.overbooked("race", "SYS-03.a", "--seed", "1", within=installed.shop)
    said = called.stdout + called.stderr
    assert called.returncode == 1, said
    assert "more bookings than capacity" in said
    assert list((installed.shop / "reports" / "out").glob("*/SYS-03.a.json")), said


class TestPublicNamesCarryTypes:
    def test_a_scenario_and_an_adapter_of_a_users_are_accepted(
        self, installed: Installed, tmp_path: Path
    ) -> None:
        scenario, adapter = tmp_path / "test_seats.py", tmp_path / "desk.py"
        scenario.write_text(project_files.SCENARIO)
        adapter.write_text(project_files.ADAPTER)
        called = installed.mypy(scenario, adapter, cache=tmp_path)
        assert called.returncode == 0, called.stdout + called.stderr

    def test_what_is_wrong_in_a_scenario_is_refused(self, installed: Installed, tmp_path: Path) -> None:
        wrong = tmp_path / "test_wrong.py"
        wrong.write_text(project_files.WRONG)
        called = installed.mypy(wrong, cache=tmp_path)
        lines = project_files.WRONG.splitlines()
        expected = [n for n, line in enumerate(lines, 1) if line.endswith("# refused")]
        found = [
            int(line.split(":")[1])
            for line in called.stdout.splitlines()
            if line.startswith("test_wrong.py:") and " error: " in line
        ]
        assert sorted(set(found)) == expected, called.stdout + called.stderr


@pytest.mark.parametrize("facade", ["overbooked", "overbooked.scenario", "overbooked.adapter"])
def test_every_public_name_has_a_docstring(facade: str) -> None:
    module = importlib.import_module(facade)
    undocumented = [
        name
        for name in module.__all__
        if (inspect.isclass(thing := getattr(module, name)) or inspect.isroutine(thing))
        and not (inspect.getdoc(thing) or "").strip()
    ]
    assert not undocumented
