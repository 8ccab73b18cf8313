"""Which worker gets which trial: what shares a variant stays together, so a stack is renewed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByVariant(LoadScopeScheduling):
    """xdist's scheduler of scopes, with the group of a trial as its scope.

    Its own `loadgroup` writes groups into node ids, which pytest 9.1 and later do not allow.

    Args:
        config: of the controller.
        log: xdist's.
        group_of: the group of a node id; None: the trial goes anywhere by itself.
    """

    def __init__(self, config: pytest.Config, log: Any, group_of: Callable[[str], str | None]) -> None:
        super().__init__(config, log)
        self._group_of = group_of

    def _split_scope(self, nodeid: str) -> str:
        return self._group_of(nodeid) or nodeid
