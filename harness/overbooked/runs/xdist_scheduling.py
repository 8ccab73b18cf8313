"""An xdist scheduler that keeps the trials of a variant on one worker, so that its stack is renewed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByVariant(LoadScopeScheduling):
    """xdist's scope scheduler, with the group of a trial as the scope.

    xdist's `loadgroup` writes groups into node ids, which pytest 9.1 and later do not allow.

    Args:
        config: the controller's config.
        log: xdist's log.
        group_of: returns the group of a node id; None: the trial can run on any worker.
    """

    def __init__(self, config: pytest.Config, log: Any, group_of: Callable[[str], str | None]) -> None:
        super().__init__(config, log)
        self._group_of = group_of

    def _split_scope(self, nodeid: str) -> str:
        return self._group_of(nodeid) or nodeid

    def remove_node(self, node: Any) -> str | None:
        """Requeue the work of a dead worker; return the item during which it died.

        Unlike xdist's implementation, it does not give that item to the next worker, which would die too.
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
