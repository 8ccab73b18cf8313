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

    def remove_node(self, node: Any) -> str | None:
        """Take the work of a worker that is gone back; returns what it was at when it died.

        Unlike xdist's own, it does not give that to the next worker, who would die of it too.
        """
        workload = self.assigned_work.pop(node)
        crashed: str | None = None
        for unit in workload.values():
            for nodeid, done in unit.items():
                if not done and crashed is None:
                    crashed = nodeid
                    unit[nodeid] = True
        self.workqueue.update({scope: unit for scope, unit in workload.items() if not all(unit.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed
