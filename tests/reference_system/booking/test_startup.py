"""The service becomes ready once it can, whatever failed before."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reference_system.booking.accounts import startup
from reference_system.booking.platform.db_errors import Unavailable
from reference_system.booking.platform.runtime import Runtime


@pytest.mark.parametrize("failed", [Unavailable("no answer"), RuntimeError("an I/O error of the server")])
async def test_start_up_is_tried_again_after_any_error(
    failed: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "RETRY_OPERATOR_S", 0.0)
    tries, over = [failed], asyncio.Event()

    async def now() -> None:
        if tries:
            raise tries.pop()

    async def run(_work: Any) -> None:
        return None

    class Starting:
        settings = SimpleNamespace(operator_email="o@x.example", operator_password="p", argon2_cost="low")
        clock = SimpleNamespace(now=now)
        database = SimpleNamespace(run=run)
        is_ready = staticmethod(over.set)

        @property
        def ready(self) -> bool:
            return over.is_set()

    await asyncio.wait_for(startup.start(cast(Runtime, Starting())), timeout=30)
    assert over.is_set()
    assert tries == []
