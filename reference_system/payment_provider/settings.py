"""Settings of the provider, read from the environment as `PROVIDER_*`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one provider process.

    Args:
        data_dir: the folder of its journal; created if missing.
        key: the bearer key that callers must send.
        webhook_url: the URL that events are delivered to; empty: none.
        webhook_secret: the secret that signs deliveries.
        control: whether `/_control` is served.
        webhook_timeout_s: how long one delivery may take.
        retry_base_s: wait before the second attempt of a delivery, by the provider's clock; it doubles with
            every further attempt, up to `retry_max_s`.
        authorization_days: how long a card authorisation is valid.
    """

    data_dir: Path
    key: str
    webhook_url: str = ""
    webhook_secret: str = ""
    control: bool = False
    webhook_timeout_s: float = 5.0
    retry_base_s: float = 1.0
    retry_max_s: float = 3600.0
    authorization_days: float = 7.0


def from_environment(data_dir: Path) -> Settings:
    """Read the settings; raises KeyError naming `PROVIDER_KEY` if it is missing."""
    env = os.environ
    return Settings(
        data_dir=data_dir,
        key=env["PROVIDER_KEY"],
        webhook_url=env.get("PROVIDER_WEBHOOK_URL", ""),
        webhook_secret=env.get("PROVIDER_WEBHOOK_SECRET", ""),
        control=env.get("PROVIDER_CONTROL", "0").lower() in {"1", "true", "yes"},
        webhook_timeout_s=float(env.get("PROVIDER_WEBHOOK_TIMEOUT_S", "5")),
        retry_base_s=float(env.get("PROVIDER_RETRY_BASE_S", "1")),
    )
