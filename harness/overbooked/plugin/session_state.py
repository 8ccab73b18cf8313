"""The trial manager of a pytest session, made on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from overbooked.plugin.manager import TrialManager

MANAGER = pytest.StashKey["TrialManager"]()


def manager_of(config: pytest.Config) -> TrialManager:
    """Return the session's trial manager."""
    if MANAGER not in config.stash:
        from overbooked.plugin.manager import TrialManager  # noqa: PLC0415

        config.stash[MANAGER] = TrialManager(config)
    return config.stash[MANAGER]
