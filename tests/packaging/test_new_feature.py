"""A feature with a domain, a migration, a capability, a mutant and a scenario only adds files.

The feature is in `waitlist`, with the project's layout; the test adds only its files to a copy of the
project, which then judges it on the embedded stack.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FEATURE = Path(__file__).parent / "waitlist"
PARTS = ("ci", "harness", "reference_system", "scenarios", "overbooked.toml", "pyproject.toml")
SETTINGS = 'canary = ""\nworkers = 1\nseed = 5\n[stack]\nkind = "embedded"\n'


class Tree:
    """A copy of the project in a repository of its own, with an environment that imports from it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.python = folder / "venv" / "bin" / "python"
        self.settings = folder / "settings.toml"
        self.settings.write_text(SETTINGS)
        for name in PARTS:
            here, there = ROOT / name, self.root / name
            if here.is_dir():
                shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(here, there)
        (self.root / ".gitignore").write_text("__pycache__/\nreports/\n.coverage*\n")
        venv.create(folder / "venv", with_pip=False)
        places = sysconfig.get_paths("venv", {"base": str(folder / "venv"), "installed_base": sys.prefix})
        packages = Path(places["purelib"])
        (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
        (packages / "a_project.pth").write_text(f"{self.root / 'harness'}\n{self.root}\n")
        self.called("git", "init", "--quiet")
        self.called("git", "add", "--all")
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        self.called("git", *author, "commit", "--quiet", "--no-gpg-sign", "--message", "The project as it is")

    def add(self, feature: Path) -> None:
        shutil.copytree(feature, self.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))

    def called(self, *command: str) -> subprocess.CompletedProcess[str]:
        unset = ("OVERBOOKED_", "PYTEST_", "PYTHON", "COV_", "GIT_")
        environment = {name: text for name, text in os.environ.items() if not name.startswith(unset)}
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    def run(self, *arguments: str) -> Mapping[str, Any]:
        """The clauses of the feature's gap after `overbooked run`, by their last letter."""
        program = "from overbooked.cli import main; main()"
        config = ("--config", str(self.settings), "--json")
        done = self.called(str(self.python), "-c", program, "run", "WAIT-01", *arguments, *config)
        assert done.stdout, done.stderr
        card = json.loads(done.stdout)
        return {one["id"].rpartition(".")[2]: one for gap in card["gaps"] for one in gap["clauses"]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    tree = Tree(tmp_path_factory.mktemp("feature"))
    tree.add(FEATURE)
    return tree


def test_the_feature_only_adds_files(tree: Tree) -> None:
    changes = tree.called("git", "status", "--porcelain", "--untracked-files=all").stdout.splitlines()
    added = {change[3:] for change in changes if change.startswith("?? ")}
    assert len(added) == len(changes), changes
    assert added == {
        str(file.relative_to(FEATURE))
        for file in FEATURE.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }


def test_its_gap_is_closed_on_the_healthy_system(tree: Tree) -> None:
    clauses = tree.run()
    assert {name: one["verdict"] for name, one in clauses.items()} == {
        "a": "closed",
        "b": "closed",
    }, json.dumps(clauses, indent=1)


def test_its_mutant_opens_the_gap_and_every_oracle_sees_its_records(tree: Tree) -> None:
    clauses = tree.run("--mutant", "WAIT-01.1")
    assert {name: one["verdict"] for name, one in clauses.items()} == {
        "a": "open",
        "b": "open",
    }, json.dumps(clauses, indent=1)
    assert "waitlist entries changed" in json.dumps(clauses["a"])
