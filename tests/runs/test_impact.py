"""The selection for a proof by a change, in a temporary git repository."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import overbooked
from overbooked.catalog import Catalog
from overbooked.errors import UsageError
from overbooked.runs.git_changes import GitTree
from overbooked.runs.impact import Impact, Project

OWN = """
source = "tests"
prefix = "OWN"

[[gap]]
id = "OWN-01"
title = "One"
priority = "P0"
theme = "own"
closed_when = [{ id = "a", by = ["matrix"], text = "a" }, { id = "b", by = ["matrix"], text = "b" }]
open_when = [{ id = 1, breaks = ["a"], text = "wrong" }, { id = 2, breaks = ["b"], text = "bad" }]

[[gap]]
id = "OWN-02"
title = "Two"
priority = "P0"
theme = "own"
closed_when = [{ id = "a", by = ["matrix"], text = "a" }]
open_when = [{ id = 1, breaks = ["a"], text = "wrong" }]
"""

FILES = {
    "overbooked.toml": 'scenarios = ["scenarios"]\n',
    "own/gaps.toml": OWN,
    "scenarios/conftest.py": "",
    "scenarios/test_one.py": "from overbooked import gap\nfrom checks import sold_once\n\n"
    '@gap("OWN-01.a")\ndef test_it(): ...\n\n@gap("OWN-01.b")\ndef test_more(): ...\n',
    "scenarios/test_two.py": "from overbooked import gap\nimport shared\n\n"
    '@gap("OWN-02")\ndef test_it(): ...\n',
    "scenarios/checks.py": "import deeper\n",
    "scenarios/deeper.py": "",
    "scenarios/shared.py": "",
    "scenarios/data.json": "{}",
    "target/adapter.py": "import shared\n",
    "target/toy.toml": "",
    "target/service.py": "",
    "target/mutants/one.py": "",
    "target/mutants/two.py": "from target.mutants import base\n",
    "target/mutants/base.py": "",
    "tests/test_harness.py": "",
    "docs/page.md": "",
    "README.md": "",
    "requirements.lock": "",
}


@dataclass
class Repository:
    """A project in its own repository."""

    root: Path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, path: str, text: str = "# changed\n") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def change(self, *paths: str) -> None:
        for path in paths:
            self.write(path, (self.root / path).read_text() + "# changed\n")

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-qm", "x", "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def project(self) -> Project:
        return Project(
            root=self.root,
            scenarios=[self.root / "scenarios"],
            catalog=Catalog.load([self.root / "own"]),
            catalogs=[self.root / "own"],
            sources={
                "OWN-01.1": [self.root / "target/mutants/one.py"],
                "OWN-02.1": [self.root / "target/mutants/two.py"],
            },
            settings=[self.root / "overbooked.toml", self.root / "target/toy.toml"],
            adopted=["target.adapter"],
        )

    def impact(self, since: str = "HEAD") -> Impact:
        git = GitTree(self.root)
        return self.project().impact(git, git.commit(since))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.root.mkdir()
    for path, text in FILES.items():
        made.write(path, text)
    made.git("init", "-q")
    made.commit()
    return made


def test_what_is_unchanged_selects_nothing(repository: Repository) -> None:
    assert repository.impact() == Impact(())


@pytest.mark.parametrize("path", ["README.md", "docs/page.md", "tests/test_harness.py", ".ci/run"])
def test_documentation_and_tests_select_nothing(repository: Repository, path: str) -> None:
    repository.write(path)
    assert repository.impact().nothing


def test_a_scenario_selects_the_clauses_it_is_bound_to(repository: Repository) -> None:
    repository.change("scenarios/test_one.py")
    impact = repository.impact()
    assert not impact.everything
    assert impact.clauses == {"OWN-01.a", "OWN-01.b"}
    assert not impact.mutants


@pytest.mark.parametrize("path", ["scenarios/checks.py", "scenarios/deeper.py"])
def test_what_a_scenario_imports_selects_its_clauses(repository: Repository, path: str) -> None:
    repository.change(path)
    assert repository.impact().clauses == {"OWN-01.a", "OWN-01.b"}


def test_a_scenario_that_lost_a_binding_selects_the_clause_that_lost_it(repository: Repository) -> None:
    text = (repository.root / "scenarios/test_one.py").read_text()
    repository.write("scenarios/test_one.py", text.replace('@gap("OWN-01.b")\n', ""))
    assert repository.impact().clauses == {"OWN-01.a", "OWN-01.b"}


def test_a_scenario_that_is_gone_selects_the_clauses_it_judged(repository: Repository) -> None:
    (repository.root / "scenarios/test_two.py").unlink()
    assert repository.impact().clauses == {"OWN-02.a"}


def test_a_scenario_that_moved_selects_its_clauses_under_both_names(repository: Repository) -> None:
    repository.git("mv", "scenarios/test_one.py", "scenarios/test_first.py")
    impact = repository.impact()
    assert impact.clauses == {"OWN-01.a", "OWN-01.b"}
    assert set(impact.changed) == {"scenarios/test_one.py", "scenarios/test_first.py"}


def test_a_scenario_that_git_does_not_know_yet_is_a_change(repository: Repository) -> None:
    repository.write("scenarios/test_new.py", FILES["scenarios/test_two.py"])
    assert repository.impact().clauses == {"OWN-02.a"}


def test_a_scenario_that_git_ignores_counts_as_changed(repository: Repository) -> None:
    repository.write(".gitignore", "test_two.py\n")
    repository.git("rm", "-q", "--cached", "scenarios/test_two.py")
    repository.commit()
    assert repository.impact().clauses == {"OWN-02.a"}


def test_a_conftest_selects_every_scenario_below_it(repository: Repository) -> None:
    repository.change("scenarios/conftest.py")
    assert repository.impact().clauses == {"OWN-01.a", "OWN-01.b", "OWN-02.a"}


@pytest.mark.parametrize(
    "path",
    [
        "target/service.py",  # the service is one program
        "target/adapter.py",
        "target/toy.toml",
        "target/mutants/base.py",  # the target does not declare that it defines one mutant
        "scenarios/shared.py",  # the adapter imports it too
        "scenarios/data.json",
        "overbooked.toml",
        "requirements.lock",
        "unheard/of.txt",
    ],
)
def test_what_cannot_be_narrowed_selects_everything(repository: Repository, path: str) -> None:
    repository.write(path)
    assert path in repository.impact().everything


def test_a_helper_that_is_gone_selects_everything(repository: Repository) -> None:
    (repository.root / "scenarios/deeper.py").unlink()
    assert "scenarios/deeper.py" in repository.impact().everything


def test_tests_that_the_target_is_made_of_select_everything(repository: Repository) -> None:
    repository.write("target/adapter.py", "from tests import test_harness\n")
    repository.commit()
    repository.change("tests/test_harness.py")
    assert "tests/test_harness.py" in repository.impact().everything


def test_the_file_of_a_mutant_selects_that_mutant(repository: Repository) -> None:
    repository.change("target/mutants/one.py")
    impact = repository.impact()
    assert not impact.everything
    assert impact.mutants == {"OWN-01.1"}


def test_the_file_of_a_mutant_that_another_imports_selects_both(repository: Repository) -> None:
    repository.write("target/mutants/two.py", "from target.mutants import one\n")
    repository.commit()
    repository.change("target/mutants/one.py")
    assert repository.impact().mutants == {"OWN-01.1", "OWN-02.1"}


def test_the_file_of_a_mutant_that_the_service_imports_selects_everything(repository: Repository) -> None:
    repository.write("target/service.py", "from target.mutants import one\n")
    repository.commit()
    repository.change("target/mutants/one.py")
    assert "target/mutants/one.py" in repository.impact().everything


def test_a_catalog_selects_the_gaps_whose_rows_differ(repository: Repository) -> None:
    repository.write("own/gaps.toml", OWN.replace('title = "Two"', 'title = "Other"'))
    assert repository.impact().clauses == {"OWN-02.a"}
    repository.write("own/gaps.toml", OWN.replace('breaks = ["b"]', 'breaks = ["a", "b"]'))
    assert repository.impact().clauses == {"OWN-01.a", "OWN-01.b"}


def test_a_catalog_that_was_not_readable_selects_all_its_gaps(repository: Repository) -> None:
    repository.write("own/gaps.toml", "nonsense")
    before = repository.commit()
    repository.write("own/gaps.toml", OWN)
    assert repository.impact(before).clauses == {"OWN-01.a", "OWN-01.b", "OWN-02.a"}


def test_committed_changes_count_as_well(repository: Repository) -> None:
    before = repository.git("rev-parse", "HEAD")
    repository.change("scenarios/test_two.py")
    repository.commit()
    assert repository.impact(before).clauses == {"OWN-02.a"}
    assert repository.impact("HEAD").nothing


def test_a_project_below_the_top_of_its_repository(repository: Repository) -> None:
    repository.write("inner/scenarios/test_two.py", FILES["scenarios/test_two.py"])
    repository.write("inner/scenarios/shared.py", "")
    repository.commit()
    inner = Project(
        root=repository.root / "inner",
        scenarios=[repository.root / "inner/scenarios"],
        catalog=Catalog.load([repository.root / "own"]),
    )
    git = GitTree(inner.root)
    repository.change("inner/scenarios/test_two.py")
    assert inner.impact(git, git.commit("HEAD")).clauses == {"OWN-02.a"}
    repository.change("target/service.py")
    assert "service.py" in inner.impact(git, git.commit("HEAD")).everything


def test_an_unknown_revision_is_refused(repository: Repository) -> None:
    for name in ("nonsense", "--output=x", ""):
        with pytest.raises(UsageError, match="git knows no such revision"):
            repository.impact(name)


def test_a_shallow_clone_says_so(repository: Repository, tmp_path: Path) -> None:
    before = repository.git("rev-parse", "HEAD")
    repository.commit()
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", repository.root.as_uri(), str(clone)], check=True)
    with pytest.raises(UsageError, match=r"shallow clone.*fetch-depth 0"):
        GitTree(clone).commit(before)
    assert GitTree(clone).head()[1] is None


def test_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="git cannot list the changes"):
        GitTree(tmp_path).commit("HEAD")


# -- the project itself ---------------------------------------------------------------------------

HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def of_this_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Impact]:
    """The selection by a change of one file of this project, in a copy of its tree."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("harness", "scenarios", "reference_system"):
        for file in (HERE / folder).rglob("*"):
            if file.suffix in (".py", ".toml"):
                target = root / file.relative_to(HERE)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    copy = Repository(root)
    copy.git("init", "-q")
    copy.commit()

    def impact(path: str) -> Impact:
        file = root / path
        before = file.read_bytes()
        file.write_bytes(before + b"\n# changed\n")
        git = GitTree(root)
        project = Project(root=root, scenarios=[root / "scenarios"], catalog=Catalog.load())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(overbooked, "__file__", str(root / "harness/overbooked/__init__.py"))
            try:
                return project.impact(git, git.commit("HEAD"))
            finally:
                file.write_bytes(before)

    return impact


def test_an_oracle_selects_the_gaps_that_use_it_and_no_others(
    of_this_project: Callable[[str], Impact],
) -> None:
    impact = of_this_project("harness/overbooked/oracles/prices.py")
    assert not impact.everything
    assert {clause.rpartition(".")[0] for clause in impact.clauses} == {"SYS-02", "SYS-04"}


def test_an_oracle_that_a_journey_uses_selects_the_gaps_of_that_journey(
    of_this_project: Callable[[str], Impact],
) -> None:
    impact = of_this_project("harness/overbooked/oracles/payment_integrity.py")
    assert not impact.everything
    assert "SYS-01" in {clause.rpartition(".")[0] for clause in impact.clauses}


@pytest.mark.parametrize(
    "path",
    [
        "harness/overbooked/scenario.py",
        "harness/overbooked/verdicts/judge.py",
        "harness/overbooked/plugin/manager.py",
        "reference_system/booking/bookings/service.py",
    ],
)
def test_the_harness_and_the_service_select_everything(
    of_this_project: Callable[[str], Impact], path: str
) -> None:
    assert path in of_this_project(path).everything
