"""A clause is not closed if one of its scenarios is missing, for whatever reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Project
from tests.plugin.conftest import CONFTEST, PLUGINS, ScenarioRunner

# Two scenarios judge SYS-03.e; only the second would find it open.
BESIDE = """
import pytest
@gap("SYS-03.e")
@pytest.mark.parametrize("way", ["in", "out"])
async def test_the_way(stack, judge, way):
    judge.count("rounds")
"""


@pytest.fixture(autouse=True)
def no_canary(project: Project) -> None:
    settings = project.root / "overbooked.toml"
    settings.write_text('canary = ""\npolicy = "policy.toml"\n' + settings.read_text())
    (project.root / "policy.toml").write_text("canary = false\n")
    project.scenario("ways", BESIDE)


def verdict(project: Project, clause: str = "SYS-03.e") -> tuple[str, str]:
    """Verdict and reason of one clause after a run that asks for it."""
    called = project.call("run", clause)
    card = json.loads((project.runs()[-1] / "scorecard.json").read_text())
    found = {c["id"]: (c["verdict"], c["reason"]) for gap in card["gaps"] for c in gap["clauses"]}
    assert (called.code == 0) == (found[clause][0] == "closed"), called.err
    return found[clause]


def conftest(project: Project, source: str) -> None:
    file = project.root / "scenarios" / "conftest.py"
    file.write_text(f"{file.read_text()}\n{source}")


def test_with_all_its_scenarios_it_is_closed(project: Project) -> None:
    assert verdict(project) == ("closed", "")


@pytest.mark.parametrize(
    ("source", "lost"),
    [
        ("def pytest_collection_modifyitems(items):\n    del items[-1]", ""),
        (
            "@pytest.hookimpl(tryfirst=True)\ndef pytest_collection_modifyitems(items):\n"
            "    items[:] = [one for one in items if '[out' not in one.nodeid]",
            "scenarios/test_ways.py::test_the_way[out]",
        ),
        ("collect_ignore = ['test_ways.py']", "scenarios/test_ways.py::test_the_way"),
        ("collect_ignore_glob = ['*ways*']", "scenarios/test_ways.py::test_the_way"),
        (
            "def pytest_ignore_collect(collection_path):\n    return True if 'ways' in str(collection_path) "
            "else None",
            "scenarios/test_ways.py::test_the_way",
        ),
        (
            "@pytest.hookimpl(tryfirst=True)\ndef pytest_pycollect_makeitem(name):\n"
            "    return [] if name == 'test_the_way' else None",
            "scenarios/test_ways.py::test_the_way",
        ),
    ],
    ids=["last item", "one parameter", "ignored", "ignored by pattern", "ignored by hook", "not made"],
)
def test_a_conftest_that_takes_a_scenario_away_makes_its_clause_inconclusive(
    project: Project, source: str, lost: str
) -> None:
    conftest(project, source)
    found, reason = verdict(project)
    assert found == "inconclusive"
    assert "a scenario of this clause was not run" in reason
    assert lost in reason


@pytest.mark.parametrize(
    "source",
    [
        BESIDE.replace("@gap", "@pytest.mark.skip(reason='slow')\n@gap"),
        BESIDE.replace("@gap", "@pytest.mark.skipif(True, reason='slow')\n@gap"),
        BESIDE.replace("@gap", "@pytest.mark.xfail(run=False)\n@gap"),
        BESIDE.replace("    judge.count", "    pytest.skip('slow')\n    judge.count"),
        BESIDE.replace("import pytest", "import pytest\npytest.skip('slow', allow_module_level=True)"),
        BESIDE.replace("import pytest", "import pytest\npytest.importorskip('no_such_module')"),
        BESIDE.replace("test_the_way", "check_the_way"),
    ],
    ids=["skip", "skipif", "xfail", "skipped inside", "module skipped", "import skipped", "misnamed"],
)
def test_a_scenario_that_is_skipped_makes_its_clause_inconclusive(project: Project, source: str) -> None:
    project.scenario("ways", source)
    assert verdict(project)[0] == "inconclusive"


def test_a_scenario_in_a_file_that_is_not_collected_makes_its_clause_inconclusive(project: Project) -> None:
    folder = project.root / "scenarios"
    (folder / "test_ways.py").rename(folder / "ways.py")
    found, reason = verdict(project)
    assert found == "inconclusive"
    assert "scenarios/ways.py::test_the_way" in reason


def test_an_expected_failure_is_open_all_the_same(project: Project) -> None:
    failing = BESIDE.replace("    judge.count", "    raise GapFound('sold twice')\n    judge.count")
    project.scenario("ways", failing.replace("@gap", "@pytest.mark.xfail\n@gap"))
    assert verdict(project) == ("open", "sold twice")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (BESIDE.replace('@gap("SYS-03.e")', 'bind = gap\n@bind("SYS-03.e")'), "cannot be read from"),
        (BESIDE.replace('@gap("SYS-03.e")', 'E = "SYS-03.e"\n@gap(E)'), "as plain strings, found E"),
    ],
    ids=["another name", "a variable"],
)
def test_a_binding_that_the_source_does_not_show_is_refused(
    project: Project, source: str, words: str
) -> None:
    project.scenario("ways", source)
    called = project.call("run", "SYS-03.e")
    assert called.code == 2
    assert words in " ".join(called.err.split())


# -- the user's environment and configuration ---------------------------------------------------


@pytest.mark.parametrize("options", ["-k nothing", "-x", "--collect-only", "-p no:asyncio", "--nonsense"])
def test_options_in_the_environment_are_not_read_and_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", options)
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    called = project.call("run", "SYS-03.e")
    assert called.code == 0, called.err
    assert "PYTEST_ADDOPTS and PYTEST_PLUGINS are set and not read" in " ".join(called.err.split())


def test_options_in_the_environment_hide_no_gap_on_a_mutant(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k the_way")
    assert project.call("run", "SYS-03.e", "--mutant", "SYS-03.5").code == 1


@pytest.mark.parametrize(
    "ini",
    [
        "[pytest]\npython_files = *_spec.py\n",
        "[pytest]\npython_functions = spec_*\n",
        "[pytest]\nfilterwarnings = error\n",
        "[pytest]\naddopts = -k nothing --strict-config\nnonsense = 1\n",
        "[pytest]\nasyncio_mode = strict\n",
        "[pytest]\nnorecursedirs = scenarios\n",
    ],
)
def test_a_projects_own_configuration_is_not_read(project: Project, ini: str) -> None:
    (project.root / "pytest.ini").write_text(ini)
    assert verdict(project) == ("closed", "")


def test_a_conftest_above_the_scenarios_is_not_read(project: Project) -> None:
    (project.root / "conftest.py").write_text("raise RuntimeError('for the tests of the project only')")
    assert verdict(project) == ("closed", "")


def test_a_scenario_that_ends_its_worker_is_missed(project: Project) -> None:
    project.scenario("ways", BESIDE.replace("    judge.count", "    import os; os._exit(3)\n    judge.count"))
    called = project.call("run", "SYS-03.e", "--workers", "2")
    assert called.code == 3, called.err


# -- a proof ------------------------------------------------------------------------------------


def test_a_proof_is_not_satisfied_where_a_scenario_was_taken_away(project: Project) -> None:
    conftest(project, "collect_ignore = ['test_ways.py']")
    called = project.call("prove", "SYS-03", "--mutant", "SYS-03.5", "--narrow")
    assert called.code == 3, called.err
    matrix = json.loads((project.runs()[-1] / "matrix.json").read_text())
    cells = [cell for cell in matrix["cells"] if cell["clause"] == "SYS-03.e"]
    assert {cell["mutant"]: cell["verdicts"] for cell in cells} == {
        "healthy": ["inconclusive"],
        "SYS-03.5": ["open"],
    }


# -- pytest without the command line ------------------------------------------------------------

PLAIN = """
from overbooked import gap
import pytest

@gap("SYS-03.c")
@pytest.mark.parametrize("way", ["in", "out"])
async def test_a_way(stack, judge, way):
    judge.count("rounds")

@gap("SYS-03.c")
async def test_another(stack, judge):
    judge.count("rounds")
"""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "closed"),
        (["-k", "another"], "inconclusive"),
        (["-k", "a_way"], "inconclusive"),
        (["-k", "another or in"], "inconclusive"),
        (["--deselect", "test_plain.py::test_another"], "inconclusive"),
        (["test_plain.py::test_another"], "inconclusive"),
        (["--ignore", "test_more.py"], "inconclusive"),
    ],
    ids=lambda value: " ".join(value) or "all" if isinstance(value, list) else value,
)
def test_plain_pytest_closes_nothing_that_its_options_left_out(
    runner: ScenarioRunner, pytester: pytest.Pytester, options: list[str], says: str
) -> None:
    runner.diary.write_text("")
    pytester.makeconftest(CONFTEST.format(diary=str(runner.diary)))
    scenarios = Path(pytester.path) / "scenarios"
    scenarios.mkdir()
    pytester.makepyfile(test_plain=PLAIN, test_more=PLAIN.replace("way", "road").replace("another", "more"))
    for name in ("test_plain.py", "test_more.py"):
        (Path(pytester.path) / name).rename(scenarios / name)
    said = [f"scenarios/{one}" if one.startswith("test_") else one for one in options]
    result = pytester.runpytest_inprocess(*PLUGINS, "--override-ini=asyncio_mode=auto", *said)
    result.stdout.fnmatch_lines([f"{says} *SYS-03.c*"])
