"""Options that several commands share, and the settings they make together."""

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
        return self.fail(f"wanted a time such as 90, 90s or 5m, found {value!r}", param, ctx)


@dataclass(frozen=True, slots=True)
class Said:
    """What the command line said, as settings take it."""

    settings: Settings
    overrides: dict[str, Any]
    config: Path | None

    @property
    def options(self) -> tuple[str, ...]:
        """What a command that does the same again needs beside profile, stack, seed and mutant."""
        replicas = (self.overrides.get("stack") or {}).get("replicas")
        said = ["--replicas", str(replicas)] if replicas else []
        return (*said, *with_config(self.config, Path.cwd()))


def settings_of(config: Path | None, **values: Any) -> Said:
    """The settings with the command line's values over them.

    Raises:
        ConfigError: a setting is wrong, wherever it stands.
    """
    overrides = as_overrides(values)
    if config is None and (named := os.environ.get("OVERBOOKED_CONFIG")):
        config = Path(named)
    config = config.absolute() if config else None
    return Said(Settings.load(overrides, config=config), overrides, config)


def session_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `session_options` say, nested as the settings are."""
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
    """The gaps and clauses that the command line means.

    Raises:
        UnknownGap: a name does not exist.
    """
    gaps = catalog.select(names, theme=theme, priority=priority)
    only = [clause.name for name in names if "." in name for clause in catalog.clauses_of([name])]
    profile = settings.active_profile(catalog)
    return profile.select(gaps, only=only, narrowed=bool(names or theme or priority))


def policy_of(settings: Settings) -> Policy:
    """The gate policy that holds.

    Raises:
        ConfigError: its file cannot be read or says what no policy can.
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
    help="A settings file over overbooked.toml.",
)
kind_option = click.option(
    "--stack",
    "kind",
    type=click.Choice(["auto", "embedded", "containers", "external"]),
    help="Where the system runs.",
)
seed_option = click.option("--seed", type=click.IntRange(min=0), help="The one seed of everything random.")
mutant_option = click.option("--mutant", metavar="ID", help="Switch on one seeded defect, e.g. SYS-03.1.")
selection_options = _all(
    click.argument("gaps", nargs=-1, metavar="[GAP]..."),
    click.option("--theme", help="Only gaps of these themes, divided by commas."),
    click.option("--priority", help="Only gaps of these priorities: P0, P0,P2 or P0-P2."),
)
session_options = _all(
    click.option("--profile", help="What is asked and with what budgets: quick, ci, nightly."),
    seed_option,
    click.option(
        "--workers",
        type=click.IntRange(0, 64),
        help="How many stacks run side by side; 0: in this process, for a debugger.",
    ),
    kind_option,
    click.option("--replicas", type=click.IntRange(1, 8), help="Processes of the service."),
    click.option("--deadline", type=Duration(), help="End of the whole run: 90, 90s, 5m."),
    config_option,
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."),
)
