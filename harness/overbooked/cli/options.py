"""Options shared by several commands, and the settings derived from them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from overbooked.bundles.files import with_config
from overbooked.catalog import Catalog
from overbooked.catalog.selection import Selection
from overbooked.config import Settings
from overbooked.errors import UsageError
from overbooked.runs.planning import as_overrides
from overbooked.verdicts.policy import Policy

F = TypeVar("F", bound=Callable[..., Any])

SHARD_HELP = "Run only the I-th of N disjoint parts."
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m or h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*", str(value))
        if match and match[2] in _UNITS:
            try:
                seconds = float(match[1]) * _UNITS[match[2]]
            except ValueError:
                seconds = 0.0
            if seconds > 0:
                return seconds
        return self.fail(f"wanted a duration such as 90s, 10m or 1h, found {value!r}", param, ctx)


class ShardParam(click.ParamType[tuple[int, int]]):
    """One part of several, counted from 1: `2/8`."""

    name = "shard"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        index, slash, parts = str(value).partition("/")
        if not (slash and index.isdecimal() and parts.isdecimal() and 1 <= int(index) <= int(parts)):
            self.fail(f"wanted one part of several, such as 2/8; found {value!r}", param, ctx)
        return int(index), int(parts)


@dataclass(frozen=True, slots=True)
class ResolvedSettings:
    """The settings and the options of the command line that they are made from."""

    settings: Settings
    overrides: dict[str, Any]
    config: Path | None

    @property
    def options(self) -> tuple[str, ...]:
        """The options that repeat a command, besides profile, stack, seed and mutant."""
        replicas = (self.overrides.get("stack") or {}).get("replicas")
        said = ["--replicas", str(replicas)] if replicas else []
        return (*said, *self.config_option)

    @property
    def config_option(self) -> tuple[str, ...]:
        """`--config FILE` for a printed command; empty without a second file."""
        return tuple(with_config(self.config, Path.cwd()))


def resolve_settings(config: Path | None, **values: Any) -> ResolvedSettings:
    """Return the settings, overridden by the values of the command line.

    Raises:
        ConfigError: a setting from any source is invalid.
    """
    overrides = as_overrides(values)
    if config is None and (named := os.environ.get("OVERBOOKED_CONFIG")):
        config = Path(named)
    config = config.absolute() if config else None
    return ResolvedSettings(Settings.load(overrides, config=config), overrides, config)


def require_seed(settings: Settings, shard: tuple[int, int]) -> None:
    """Reject a shard without a given seed, because each shard would draw a different one.

    Raises:
        UsageError: the run is divided and has no seed.
    """
    if settings.seed is None and shard != (1, 1):
        raise UsageError("--shard needs a seed that is the same for all shards, e.g. --seed 7")


def session_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `session_options`, nested as in the settings."""
    return {
        "profile": options["profile"],
        "seed": options["seed"],
        "workers": options["workers"],
        "deadline_s": options["deadline"],
        "stack": {"kind": options["kind"], "replicas": options["replicas"]},
    }


def selected(
    catalog: Catalog, settings: Settings, names: Sequence[str], theme: str | None, priority: str | None
) -> Selection:
    """Return the gaps and clauses selected by the command line.

    Raises:
        UnknownGap: a name does not exist.
    """
    gaps = catalog.select(names, theme=theme, priority=priority)
    only = [clause.name for name in names if "." in name for clause in catalog.clauses_of([name])]
    profile = settings.active_profile(catalog)
    return profile.select(gaps, only=only, narrowed=bool(names or theme or priority))


def policy_of(settings: Settings) -> Policy:
    """Return the gate policy of the settings.

    Raises:
        UsageError: its file cannot be read.
        ConfigError: it is not a valid policy.
    """
    if settings.policy is None:
        return Policy()
    try:
        text = settings.policy.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"policy: {settings.policy} cannot be read: {error}") from error
    return Policy.parse(text, str(settings.policy))


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A settings file that overrides overbooked.toml.",
)
kind_option = click.option(
    "--stack",
    "kind",
    type=click.Choice(["auto", "embedded", "containers", "external"]),
    help="Where the system runs.",
)
seed_option = click.option("--seed", type=click.IntRange(min=0), help="The seed of all random choices.")
mutant_option = click.option("--mutant", metavar="ID", help="Switch on one seeded defect, e.g. SYS-03.1.")
selection_options = _all(
    click.argument("gaps", nargs=-1, metavar="[GAP]..."),
    click.option("--theme", help="Only gaps of these themes, separated by commas."),
    click.option("--priority", help="Only gaps of these priorities: P0, P0,P2 or P0-P2."),
)
session_options = _all(
    click.option("--profile", help="The clauses asked and their budgets: quick, ci, nightly."),
    seed_option,
    click.option(
        "--workers",
        type=click.IntRange(0, 64),
        help="How many stacks run in parallel; 0: in this process, for a debugger.",
    ),
    kind_option,
    click.option("--replicas", type=click.IntRange(1, 8), help="Processes of the service."),
    click.option("--deadline", type=Duration(), help="End of the whole run: 90, 90s, 5m."),
    config_option,
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."),
)
