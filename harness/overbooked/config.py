"""Settings: overbooked.toml, then a second file over it, the environment, and the command line.

A later layer overrides an earlier one key by key. Every error names the key and where it was read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from overbooked.bundles.settings import BundleSettings
from overbooked.catalog.catalog import Catalog
from overbooked.config_layers import Layer, complaint, merged, read_file
from overbooked.errors import ConfigError
from overbooked.profiles import BUNDLED, Profile, ProfileTable, load_profile
from overbooked.stacks.base.settings import StackSettings
from overbooked.verdicts.policy import Policy

FILE = "overbooked.toml"
PREFIX = "OVERBOOKED_"


def _bundled_scenarios(package: Path) -> Path:
    """The folder of the bundled scenarios: data of an installed package, at the top of a checkout."""
    inside = package / "scenarios"
    return inside if inside.is_dir() else package.parents[1] / "scenarios"


BUNDLED_SCENARIOS = _bundled_scenarios(Path(__file__).resolve().parent)
BUNDLED_WORD = "bundled"

# Variables with our prefix that are not settings: the path of the second file, and values that the
# harness passes to its own processes (workers, mutants, the bootstrap script).
NOT_SETTINGS = frozenset(
    {
        "CONFIG",
        "DEBUG",
        "PLAN",
        "CACHE",
        "PYTHON",
        "HOME",
        "MUTANT",
        "REQUIRE_CONTAINERS",
        "REQUIRE_TOXIPROXY",
    }
)


def _divided(value: object) -> object:
    """A list written as text, as in an environment variable: split at commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _bundled_named(value: object) -> object:
    """Replace the word `bundled` by the bundled folder. Paths are absolute here, so compare the name."""
    said = _divided(value)
    if not isinstance(said, list | tuple):
        return said
    return [BUNDLED_SCENARIOS if Path(str(one)).name == BUNDLED_WORD else one for one in said]


_Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_divided)]
_Scenarios = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_bundled_named)]


class TargetSettings(BaseModel):
    """The `[target]` table: the system under test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    descriptor: Path | None = None


class PatienceSettings(BaseModel):
    """How long a client of the system waits, in seconds.

    Args:
        connect_s: for a connection.
        answer_s: for each part of an answer; after that the outcome is unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    connect_s: Annotated[float, Field(gt=0)] = 5.0
    answer_s: Annotated[float, Field(gt=0)] = 15.0


class Settings(BaseSettings):
    """Everything that can be set. `Settings.load` reads it; the fields are as in overbooked.toml.

    Args:
        target: the descriptor of the system under test.
        stack: where it runs; `overbooked.stacks.base.settings`.
        profile: which clauses are tested and with what budgets.
        profiles: changes to the bundled profiles, and your own profiles.
        seed: the seed of all random choices; None draws one and prints it.
        workers: how many scenarios run in parallel, each worker with its own stack; 0 runs them one
            by one in the harness's own process, which a debugger needs.
        deadline_s: how long a whole run may take, in seconds; None: no limit.
        scenario_timeout_s: how long one scenario may take, in seconds, in place of the profile's
            `scenario_s`; None uses the profile's.
        patience: how long clients wait for an answer.
        neighbour_share: in a proof, the share of its budget that a scenario gets on a mutant that
            breaks none of its clauses; such a run only shows what else the mutant opens.
        scenarios: folders or files of scenarios; the word `bundled` stands for the scenarios that
            come with Overbooked, and is the default.
        reports: where the output of runs is written, one folder per run.
        catalogs: files or folders with your own gaps, in addition to the bundled catalog.
        policy: the gate policy; None for the bundled one.
        canary: the mutant that every run must find open; empty: none.
        bundles: how large replay bundles may be and how many are kept;
            `overbooked.bundles.settings`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    target: TargetSettings = TargetSettings()
    stack: StackSettings = StackSettings.model_validate({})
    profile: str = "quick"
    profiles: dict[str, ProfileTable] = {}
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    # With two workers, two cores are idle a quarter of the time: scenarios wait for answers.
    workers: Annotated[int, Field(ge=0, le=64)] = 3
    deadline_s: Annotated[float, Field(gt=0)] | None = None
    scenario_timeout_s: Annotated[float, Field(gt=0)] | None = None
    patience: PatienceSettings = PatienceSettings()
    neighbour_share: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    scenarios: _Scenarios = (BUNDLED_SCENARIOS,)
    reports: Path = Path("reports/out")
    catalogs: _Paths = ()
    policy: Path | None = None
    canary: str = "SYS-03.1"
    bundles: BundleSettings = BundleSettings()

    _root: Path = PrivateAttr(default_factory=Path.cwd)
    _files: tuple[Path, ...] = PrivateAttr(default=())

    @property
    def root(self) -> Path:
        """The folder of overbooked.toml; without one, the current folder of the command."""
        return self._root

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were read; a later one overrides an earlier one."""
        return self._files

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the given values: `load` merges the layers, so that an error can name the layer of a value."""
        return (init_settings,)

    @classmethod
    def load(
        cls,
        overrides: Mapping[str, Any] | None = None,
        *,
        config: Path | None = None,
        start: Path | None = None,
    ) -> Settings:
        """Read the settings that apply in a folder.

        Relative paths of a file are relative to that file's folder, those of the environment and
        of the command line to `start`; the defaults to `root`.

        Args:
            overrides: the options of the command line, nested as in the file; None values are ignored.
            config: a file that overrides overbooked.toml; default: the file named by
                `OVERBOOKED_CONFIG`.
            start: the folder where the search for overbooked.toml starts, and continues upwards;
                default: the current folder.

        Raises:
            ConfigError: an unknown key, a value not allowed, or a file that cannot be read.
        """
        start = (start or Path.cwd()).absolute()
        found = find_file(start)
        root = found.parent if found else start
        layers = [Layer("defaults", _default_paths(), root)]
        if found:
            layers.append(read_file(found))
        if second := config or _second_file():
            layers.append(read_file(start / second))
        layers.append(Layer("environment", _environment(cls), start))
        layers.append(Layer("command line", dict(overrides or {}), start))

        layers = [layer.checked(cls).anchored(cls) for layer in layers]
        try:
            settings = cls(**merged(layers))
        except ValidationError as error:
            raise ConfigError(complaint(error, layers)) from error
        if settings.profile not in (known := dict.fromkeys([*BUNDLED, *settings.profiles])):
            where = next(layer.where for layer in reversed(layers) if layer.says(("profile",)))
            raise ConfigError(
                f"{where}: profile: there is no profile {settings.profile!r}; there are {', '.join(known)}"
            )
        settings._root = root
        settings._files = tuple(layer.file for layer in layers if layer.file)
        return settings

    def catalog(self) -> Catalog:
        """The bundled catalog with the user's own gaps; raises ConfigError."""
        return Catalog.load(self.catalogs)

    def active_profile(self, catalog: Catalog | None = None) -> Profile:
        """The chosen profile; with a catalog, check that its budgets name existing gaps.

        Raises:
            ConfigError: there is no such profile, or it is incomplete.
            UnknownGap: it has a budget for a gap or clause that does not exist.
        """
        profile = load_profile(self.profile, self.profiles)
        if catalog is not None:
            profile.check(catalog)
        return profile

    def gate_policy(self, catalog: Catalog | None = None) -> Policy:
        """The gate policy; with a catalog, check that its rules name existing gaps.

        Raises:
            ConfigError: the file cannot be read, or is not a valid policy.
            UnknownGap: it names a gap or theme that does not exist.
        """
        if self.policy is None:
            return Policy()
        try:
            text = self.policy.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"policy: {self.policy} cannot be read: {error}") from error
        policy = Policy.parse(text, str(self.policy))
        if catalog is not None:
            policy.check(catalog)
        return policy


def find_file(start: Path) -> Path | None:
    """overbooked.toml in a folder or the nearest one above it."""
    return next((file for folder in (start, *start.parents) if (file := folder / FILE).is_file()), None)


def _second_file() -> Path | None:
    named = os.environ.get(f"{PREFIX}CONFIG")
    return Path(named) if named else None


def _default_paths() -> dict[str, Any]:
    fields = Settings.model_fields
    return {name: fields[name].default for name in ("scenarios", "reports")}


def _environment(cls: type[Settings]) -> dict[str, Any]:
    """The values of OVERBOOKED_* variables; unknown names are included, so that they are rejected."""
    try:
        said = EnvSettingsSource(cls)()
    except SettingsError as error:
        raise ConfigError(f"environment: {error}; expected JSON for a whole table") from error
    for variable in os.environ:
        name = variable.removeprefix(PREFIX)
        if name == variable or name.startswith("_") or name in NOT_SETTINGS:
            continue
        first = name.split("__")[0].lower()
        if first not in cls.model_fields:
            said[first] = os.environ[variable]
    return said
