"""The service's settings, each read from the environment as `BOOKING_<NAME>`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that differs between two deployments; times are in seconds.

    Raises pydantic's ValidationError, which names each setting that is missing or wrong.
    """

    model_config = SettingsConfigDict(env_prefix="BOOKING_", frozen=True, extra="ignore")

    # -- dependencies ----------------------------------------------------------------------------
    database_url: str = Field(repr=False)
    redis_url: str = Field(repr=False)
    provider_url: str = "http://127.0.0.1:9100"
    provider_key: str = Field(default="", repr=False)

    # -- secrets and the first operator ----------------------------------------------------------
    jwt_secret: str = Field(min_length=32, repr=False)
    webhook_secret: str = Field(default="", repr=False)
    operator_email: str = ""
    operator_password: str = Field(default="", repr=False)

    # -- behaviour -------------------------------------------------------------------------------
    control: bool = False
    timers: bool = True
    argon2_cost: Literal["low", "standard"] = "standard"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    # -- bounds on the database ------------------------------------------------------------------
    db_timeout_s: float = Field(default=3, gt=0)
    # The server's bound on one statement, lock waits included; less than `db_timeout_s`, the client's bound.
    # The transaction is then retried for `db_patience_s`, so that long lock queues are served and a dead link
    # is still detected soon.
    db_statement_timeout_s: float = Field(default=2, gt=0)
    db_patience_s: float = Field(default=20, gt=0)
    db_idle_in_transaction_s: float = Field(default=20, gt=0)
    pool_size: int = Field(default=10, ge=1)
    pool_overflow: int = Field(default=10, ge=0)
    pool_wait_s: float = Field(default=20, gt=0)

    # -- other bounds ----------------------------------------------------------------------------
    redis_timeout_s: float = Field(default=0.5, gt=0)
    provider_timeout_s: float = Field(default=2, gt=0)
    paying_lease_s: float = Field(default=30, gt=0)
    hold_ttl_s: float = Field(default=600, gt=0)
    price_lock_ttl_s: float = Field(default=900, gt=0)
    access_ttl_s: float = Field(default=900, gt=0)
    refresh_ttl_s: float = Field(default=30 * 86_400, gt=0)
    # How long a process may accept a revoked session if Redis was down at the revocation.
    session_cache_ttl_s: float = Field(default=5, ge=1)
    webhook_tolerance_s: float = Field(default=300, gt=0)
    webhook_max_attempts: int = Field(default=5, ge=1)
