"""Overbooked installed from its wheel into another project, whose folders have the same names as ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

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

[target]
descriptor = "system.toml"

[stack]
kind = "embedded"

[profiles.quick.budget]
rounds = 3
bursts = [2, 6]
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

    def overbooked(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._called([str(self.python.with_name("overbooked")), *arguments], self.project, check=False)

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._called([str(self.python), "-m", "pytest", *arguments], self.project, check=False)

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
    called = installed.pytest(
        "--pyargs", "overbooked.scenarios", "-k", "last_place_is_sold", "-q", "-p", "no:cacheprovider"
    )
    assert "closed        SYS-03.c" in called.stdout, called.stdout + called.stderr
