"""The descriptor: a TOML file that names a booking system and says how to run and reach it.

It holds everything that a stack needs: commands, environments, health paths, the database's roles, the
mutants, and the adapter class. Commands and environments contain `{placeholders}` that a stack replaces
(`PLACEHOLDERS`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from overbooked.errors import ConfigError
from overbooked.part_names import accept_keys, accept_name, current_name
from overbooked.targets import adapters
from overbooked.targets.adapter import Adapter

PLACEHOLDERS: Mapping[str, str] = {
    "host": "address the service is to listen on",
    "port": "port the service is to listen on",
    "python": "the Python that runs the harness",
    "database_url": "the database as the service's role, through `app->postgres`",
    "owner_url": "the database as its owner, directly",
    "redis_url": "Redis, through `app->redis`",
    "payments_url": "the payment provider, through `app->payments`",
    "app_url": "the service's first replica, through `payments->app`",
    "data_dir": "a directory of the service's own, emptied when the stack is renewed",
    "mutant": "the mutant's name; in the mutant commands only",
}

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_ROLE = r"^[a-z_][a-z0-9_]{0,62}$"

Command = Annotated[tuple[str, ...], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Database(_Table):
    """The PostgreSQL database of the system: its name, its three roles and how it is migrated.

    Roles may be equal: a system with one role names it as `owner` and as `app`. `migrations` are paths
    relative to the descriptor's `root`. A migrated template is reused while their content is unchanged;
    without them it is made again at every start.
    """

    name: str = Field("booking", pattern=_ROLE)
    owner: str = Field("booking_owner", pattern=_ROLE)
    app: str = Field("booking_app", pattern=_ROLE)
    observer: str = Field("booking_observer", pattern=_ROLE)
    migrate: Command
    migrate_env: Mapping[str, str] = Field(default_factory=dict)
    migrations: tuple[str, ...] = ()

    @field_validator("owner", "app", "observer")
    @classmethod
    def _is_not_ours(cls, role: str) -> str:
        if role == "overbooked":
            raise ValueError("the role overbooked is the harness's own superuser; name another")
        return role


class Redis(_Table):
    """The `[redis]` table: if present, the stack starts a Redis.

    `store`: the system keeps its bookings in Redis. A system without PostgreSQL needs it for races: the
    order of messages is evidence only if they go to the store of the bookings.
    """

    store: bool = False


def _current_service(name: object) -> object:
    return accept_name(name, "[[service]] name") if isinstance(name, str) else name


class Service(_Table):
    """A process of the system: `app` (the service, maybe several replicas) or `payments` (its payment
    provider)."""

    name: Annotated[Literal["app", "payments"], BeforeValidator(_current_service)]
    command: Command
    env: Mapping[str, str] = Field(default_factory=dict)
    health: str = Field("/health", pattern="^/")
    replicas: int = Field(1, ge=1, le=8)
    # Python modules that the embedded stack loads once and shares between starts, because each kill
    # needs a new start: libraries, not the service's own modules. Only if the command is
    # `{python} -m MODULE ...`.
    preload: tuple[str, ...] = ()
    # For stacks made of containers: a key of `[stack.images]`, or an image's name.
    image: str = ""

    @model_validator(mode="after")
    def _can_be_forked(self) -> Self:
        if self.preload and self.command[:2] != ("{python}", "-m"):
            raise ValueError(
                f"preload needs a command that begins with {{python}} -m, {self.name}'s does not"
            )
        return self


class Mutants(_Table):
    """Commands that list, prepare and serve the system's own seeded defects.

    `list` prints JSON. `serve` replaces the command of `app`. `prepare` (optional) runs once on a fresh
    database, with the owner's role, before the mutant is served. `receipt` (optional) is a path of `app`
    where a process with a mutant reports how often the mutant's code has run.
    """

    list: Command
    serve: Command
    prepare: tuple[str, ...] = ()
    prepare_env: Mapping[str, str] = Field(default_factory=dict)
    receipt: str = Field("", pattern="^(/.*)?$")


class ExternalLink(_Table):
    """A link of a running system that is configured with the gate's address.

    `listen` is the address in the running system's settings (port 0 takes a free port, useful for
    `client->app` only). `upstream` is the address of the real server. Both are `host:port`. `protocol` is
    the protocol of the link; by default it is derived from the link's name, the DSNs and the port.
    """

    listen: str = "127.0.0.1:0"
    upstream: str
    protocol: Literal["postgres", "redis", "http", "raw"] | None = None

    @field_validator("listen", "upstream")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        split_address(value)
        return value


class External(_Table):
    """A running system by its URLs: services by name (`app`, `app-2`, `payments`), DSNs by role.

    `health` is the path of the health check; default: that of the descriptor's `app`. Without either, any
    answer below 500 counts as healthy.
    """

    urls: Mapping[str, str]
    health: str | None = Field(None, pattern="^/")
    dsns: Mapping[str, str] = Field(default_factory=dict)
    links: Mapping[str, ExternalLink] = Field(default_factory=dict)

    @field_validator("urls", "links", mode="before")
    @classmethod
    def _current_keys(cls, table: object, info: ValidationInfo) -> object:
        return accept_keys(table, f"[external] {info.field_name}")

    @model_validator(mode="after")
    def _names_the_app(self) -> Self:
        if "app" not in self.urls:
            raise ValueError("urls must name at least `app`, the service under test")
        return self


class Descriptor(_Table):
    """One booking system. Its commands run in `root`, and relative paths start there.

    `pass_environment` names variables of the user's shell that its processes get, in addition to the few
    that every process gets (`harness/overbooked/stacks/processes/environment.py`).

    In the file `[adapter]` has the key `class` ("module:Class"); its other keys are the
    adapter's own settings.
    """

    name: str = Field(pattern="^[a-z0-9][a-z0-9_-]*$")
    adapter: str = Field(pattern=r"^[\w.]+:\w+$")
    root: Path = Path()
    pass_environment: tuple[str, ...] = ()
    database: Database | None = None
    redis: Redis | None = None
    services: tuple[Service, ...] = Field(default=(), alias="service")
    mutants: Mutants | None = None
    external: External | None = None
    adapter_settings: Mapping[str, Any] = Field(default_factory=dict)
    # Further folders that are searched for the adapter's module after `root`; not a key of the file.
    beside: tuple[Path, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _adapter_table(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and isinstance(raw.get("adapter"), dict):
            table = dict(raw["adapter"])
            return {**raw, "adapter": table.pop("class", ""), "adapter_settings": table}
        return raw

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [service.name for service in self.services]
        if len(set(names)) != len(names):
            raise ValueError("each service is described once; `replicas` says how many run")
        for where, text in self._texts():
            for said in _PLACEHOLDER.findall(text):
                used = accept_name(said, where)
                if used not in PLACEHOLDERS:
                    raise ValueError(
                        f"{where} has the unknown placeholder {{{used}}}; known are "
                        + ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                    )
                if used == "mutant" and not where.startswith("mutants"):
                    raise ValueError(
                        f"{where} has {{mutant}}, which is available in the mutant commands only"
                    )
        return self

    def _texts(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for service in self.services:
            found += [(f"service {service.name}.command", text) for text in service.command]
            found += [(f"service {service.name}.env.{key}", text) for key, text in service.env.items()]
        if self.database:
            found += [("database.migrate", text) for text in self.database.migrate]
            found += [(f"database.migrate_env.{k}", v) for k, v in self.database.migrate_env.items()]
        if self.mutants:
            for name in ("list", "serve", "prepare"):
                found += [(f"mutants.{name}", text) for text in getattr(self.mutants, name)]
            found += [(f"mutants.prepare_env.{k}", v) for k, v in self.mutants.prepare_env.items()]
        return found

    def service(self, name: str) -> Service | None:
        """The service of that name, or None when the system has none."""
        return next((service for service in self.services if service.name == name), None)

    @property
    def app(self) -> Service:
        """The service under test.

        Raises:
            ConfigError: the descriptor has none (a system reached by URLs only).
        """
        found = self.service("app")
        if found is None:
            raise ConfigError(
                f'the descriptor of {self.name} has no [[service]] named "app": there is nothing to start; '
                "describe it, or use `--stack external` with [external] URLs"
            )
        return found

    def load_adapter(self) -> Adapter:
        """Import the adapter class and create an instance.

        The search path is the descriptor's `root`, the folder of the descriptor, the folder of
        overbooked.toml, then `sys.path`.

        Raises:
            ConfigError: the module or class does not exist, is not an adapter, or fails when it is loaded.
        """
        return adapters.load(self.adapter, self.name, tuple(dict.fromkeys((self.root, *self.beside))))


def load(path: Path) -> Descriptor:
    """Read a descriptor. Its `root` is relative to its own folder, which is also the default.

    Raises:
        ConfigError: the file is missing or not TOML, or a key is unknown or has an invalid value.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"no descriptor at {path}; [target] descriptor in overbooked.toml names it"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the descriptor {path} cannot be read: {error}") from error
    root = path.parent / str(raw.get("root", "."))
    try:
        return Descriptor.model_validate({**raw, "root": root.resolve(), "beside": (path.parent.resolve(),)})
    except ValidationError as error:
        raise ConfigError(f"the descriptor {path} is wrong: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    wrong = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in wrong["loc"]) or "the file"
    return f"{key}: {wrong['msg']}"


def fill(text: str, values: Mapping[str, object]) -> str:
    """Replace the placeholders of one text.

    Raises:
        ConfigError: a placeholder has no value in this stack, e.g. {redis_url} without [redis].
    """

    def value(match: re.Match[str]) -> str:
        name = current_name(match.group(1))
        if name not in values:
            raise ConfigError(
                f"{{{name}}} in {text!r} has no value here; there are {', '.join(sorted(values))}"
            )
        return str(values[name])

    return _PLACEHOLDER.sub(value, text)


def fill_command(command: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """Replace the placeholders of a command, argument by argument."""
    return [fill(part, values) for part in command]


def fill_env(env: Mapping[str, str], values: Mapping[str, object]) -> dict[str, str]:
    """Replace the placeholders of an environment's values."""
    return {key: fill(text, values) for key, text in env.items()}


def split_address(address: str) -> tuple[str, int]:
    """`host:port` as a pair; IPv6 hosts in brackets.

    Raises:
        ValueError: the text does not have that form.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)
