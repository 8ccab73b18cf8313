from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.config import Settings
from overbooked.errors import ConfigError, ExitCode, UnknownGap
from overbooked.verdicts.policy import Policy


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith("OVERBOOKED_"):
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "overbooked.toml").write_text(
        'seed = 7\nprofile = "ci"\nscenarios = ["judged"]\n'
        '[target]\ndescriptor = "sut/system.toml"\n'
        '[stack]\nkind = "embedded"\n[stack.images]\nredis = "redis:7"\n'
        "[profiles.quick.budget]\nrounds = 3\n"
    )
    (tmp_path / "deep" / "down").mkdir(parents=True)
    return tmp_path


def refused(match: str, *args, **kwargs) -> str:
    with pytest.raises(ConfigError, match=match) as raised:
        Settings.load(*args, **kwargs)
    assert raised.value.exit_code is ExitCode.USAGE
    return str(raised.value)


# -- where settings come from --------------------------------------------------------------------


def test_without_a_file_the_defaults_hold(tmp_path):
    settings = Settings.load(start=tmp_path)
    assert settings.profile == "quick"
    assert settings.stack.kind == "auto"
    assert settings.canary == "SYS-03.1"
    assert settings.root == tmp_path
    assert settings.files == ()
    assert settings.reports == tmp_path / "reports/out"


def test_the_file_is_found_upwards_and_its_paths_are_its_own(project):
    settings = Settings.load(start=project / "deep" / "down")
    assert settings.root == project
    assert settings.files == (project / "overbooked.toml",)
    assert settings.seed == 7
    assert settings.target.descriptor == project / "sut/system.toml"
    assert settings.scenarios == (project / "judged",)
    assert settings.reports == project / "reports/out"


def test_the_environment_goes_over_the_file_and_the_command_line_over_both(project, monkeypatch):
    monkeypatch.setenv("OVERBOOKED_SEED", "8")
    monkeypatch.setenv("OVERBOOKED_PROFILE", "nightly")
    settings = Settings.load({"profile": "quick", "workers": None}, start=project)
    assert (settings.seed, settings.profile, settings.workers) == (8, "quick", 3)


def test_tables_are_merged_key_by_key(project, monkeypatch):
    monkeypatch.setenv("OVERBOOKED_STACK__IMAGES__POSTGRES", "postgres:17")
    settings = Settings.load({"stack": {"replicas": 3}}, start=project)
    assert settings.stack.kind == "embedded"
    assert settings.stack.replicas == 3
    assert (settings.stack.images.redis, settings.stack.images.postgres) == ("redis:7", "postgres:17")


def test_a_second_file_goes_over_the_first(project, monkeypatch, tmp_path_factory):
    second = tmp_path_factory.mktemp("ci") / "images.toml"
    second.write_text('reports = "here"\n[stack.images]\nredis = "local/redis:1"\n')
    settings = Settings.load(start=project, config=second)
    assert settings.stack.images.redis == "local/redis:1"
    assert settings.target.descriptor == project / "sut/system.toml"
    assert settings.reports == second.parent / "here"
    assert settings.files == (project / "overbooked.toml", second)

    monkeypatch.setenv("OVERBOOKED_CONFIG", str(second))
    assert Settings.load(start=project).stack.images.redis == "local/redis:1"


def test_paths_of_the_command_line_are_relative_to_where_it_is_called(project):
    settings = Settings.load({"reports": "out"}, start=project / "deep")
    assert settings.reports == project / "deep" / "out"


def test_several_paths_of_the_environment_are_divided_by_commas(project, monkeypatch):
    monkeypatch.setenv("OVERBOOKED_SCENARIOS", "one, two")
    settings = Settings.load(start=project)
    assert settings.scenarios == (project / "one", project / "two")


def test_an_absolute_path_stays_and_a_tilde_is_ones_home(project):
    settings = Settings.load({"reports": "/elsewhere", "policy": "~/policy.toml"}, start=project)
    assert settings.reports == Path("/elsewhere")
    assert settings.policy == Path.home() / "policy.toml"


def test_time_for_a_scenario_is_unset_until_somebody_says_it(tmp_path, monkeypatch):
    assert Settings.load(start=tmp_path).scenario_timeout_s is None
    monkeypatch.setenv("OVERBOOKED_SCENARIO_TIMEOUT_S", "120")
    assert Settings.load(start=tmp_path).scenario_timeout_s == 120


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"profil": "ci"}, "command line: profil: no such key; did you mean 'profile'"),
        ({"zzz": 1}, "command line: zzz: no such key; there are bundles, canary, catalogs"),
        ({"stack": {"kin": "auto"}}, "command line: stack.kin: no such key; did you mean 'kind'"),
        (
            {"stack": {"images": {"postgre": "x"}}},
            "stack.images.postgre: no such key; did you mean 'postgres'",
        ),
        ({"profiles": {"quick": {"budget": {"round": 1}}}}, "profiles.quick.budget.round: no such key"),
        ({"profiles": {"quick": 3}}, "command line: profiles.quick: Input should be a valid dictionary"),
        ({"stack": {"kind": "docker"}}, "stack.kind: Input should be 'auto', 'embedded'"),
        ({"workers": -1}, "command line: workers: Input should be greater than or equal to 0, found -1"),
        ({"seed": "x"}, "command line: seed: Input should be a valid integer"),
        ({"stack": 3}, "command line: stack: Input should be a valid dictionary"),
        (
            {"profile": "fast"},
            "command line: profile: there is no profile 'fast'; there are quick, ci, nightly",
        ),
        ({"reports": 3}, "command line: reports: Input is not a valid path"),
    ],
)
def test_a_bad_setting_is_named_with_its_place_and_what_is_allowed(project, said, message):
    assert message in refused("command line", said, start=project)


def test_the_file_is_named_where_the_file_is_wrong(project):
    file = project / "overbooked.toml"
    file.write_text("wrokers = 3\n")
    refused(rf"{file}: wrokers: no such key; did you mean 'workers'", start=project)
    file.write_text('workers = "many"\n')
    refused(rf"{file}: workers: Input should be a valid integer", start=project)
    file.write_text("workers = \n")
    refused(rf"{file}: not TOML: .*line 1", start=project)


def test_the_layer_that_said_it_last_is_blamed(project, monkeypatch):
    monkeypatch.setenv("OVERBOOKED_SEED", "-1")
    refused("environment: seed: Input should be greater", start=project)


def test_everything_wrong_is_said_at_once(project):
    message = refused("workers", {"workers": -1, "seed": -1}, start=project)
    assert "seed" in message


def test_an_unknown_variable_is_refused(project, monkeypatch):
    monkeypatch.setenv("OVERBOOKED_PROFIL", "ci")
    refused("environment: profil: no such key; did you mean 'profile'", start=project)


def test_an_unknown_variable_of_a_table_is_refused(project, monkeypatch):
    monkeypatch.setenv("OVERBOOKED_STACK__KINDD", "auto")
    refused("environment: stack.kindd: no such key; did you mean 'kind'", start=project)


@pytest.mark.parametrize("name", ["OVERBOOKED_PLAN", "OVERBOOKED__INTERNAL"])
def test_what_the_harness_tells_its_own_processes_is_no_setting(project, monkeypatch, name):
    monkeypatch.setenv(name, "x")
    assert Settings.load(start=project).seed == 7


def test_a_table_said_as_a_word_is_refused(project, monkeypatch):
    monkeypatch.setenv("OVERBOOKED_STACK", "embedded")
    refused("environment: .*stack.*expected JSON", start=project)


def test_a_second_file_that_is_missing_is_refused(project):
    refused("gone.toml: the settings cannot be read", start=project, config=Path("gone.toml"))


# -- what hangs on settings ----------------------------------------------------------------------


def test_the_active_profile_is_the_one_chosen_with_the_users_changes(project):
    settings = Settings.load({"profile": "quick"}, start=project)
    assert settings.active_profile(settings.catalog()).budget.rounds == 3


def test_a_budget_for_an_unknown_gap_is_refused(project):
    said = {"profiles": {"ci": {"budgets": {"SYS-99": {"rounds": 1}}}}}
    settings = Settings.load(said, start=project)
    with pytest.raises(UnknownGap, match="SYS-99"):
        settings.active_profile(settings.catalog())


def test_a_profile_of_ones_own_can_be_chosen(project):
    said = {"profile": "mine", "profiles": {"mine": {"extends": "quick", "budget": {"moments": 2}}}}
    assert Settings.load(said, start=project).active_profile().budget.moments == 2


def test_the_users_catalog_is_loaded_beside_the_bundled_one(project):
    (project / "gaps").mkdir()
    (project / "gaps/ours.toml").write_text(
        'source = "ours"\nprefix = "OUR"\n[[gap]]\nid = "OUR-1"\ntitle = "t"\npriority = "P3"\ntheme = "x"\n'
        'closed_when = [{ id = "a", by = ["journey"], text = "t" }]\n'
        'open_when = [{ id = 1, breaks = ["a"], text = "t" }]\n'
    )
    settings = Settings.load({"catalogs": ["gaps"]}, start=project)
    assert len(settings.catalog()) == 158


def test_without_a_policy_file_the_bundled_policy_holds(project):
    assert Settings.load(start=project).gate_policy() == Policy()


def test_the_policy_file_is_read_and_checked_against_the_catalog(project):
    (project / "gate.toml").write_text(
        'minimum_judged = 3\nrules = [{ gaps = ["SYS-99"], stop = ["open"] }]\n'
    )
    settings = Settings.load({"policy": "gate.toml"}, start=project)
    assert settings.gate_policy().minimum_judged == 3
    with pytest.raises(UnknownGap, match="SYS-99"):
        settings.gate_policy(settings.catalog())


def test_a_policy_file_that_cannot_be_read_is_refused(project):
    settings = Settings.load({"policy": "gone.toml"}, start=project)
    with pytest.raises(ConfigError, match=r"policy: .*gone.toml cannot be read"):
        settings.gate_policy()


def test_the_projects_own_policy_names_real_gaps():
    root = Path(__file__).parents[1]
    settings = Settings.load({"policy": root / "ci/policy.toml"}, start=root)
    assert settings.gate_policy(settings.catalog()).canary
