"""The number of workers that a stack allows: one for a running system or a fixed port."""

from __future__ import annotations

from overbooked.runs.stack_factory import workers_for
from overbooked.stacks.base.settings import StackSettings


def test_a_running_system_is_judged_by_one_worker() -> None:
    workers, why = workers_for("external", StackSettings.model_validate({}), 3)
    assert workers == 1
    assert why == "one worker, not 3: there is one running system, and its links have one address"


def test_a_fixed_port_is_for_one_stack() -> None:
    settings = StackSettings.model_validate({"ports": {"app->postgres": 5544}})
    assert workers_for("embedded", settings, 2) == (
        1,
        "one worker, not 2: [stack.ports] fixes app->postgres, which only one stack can use",
    )


def test_other_stacks_have_the_workers_that_were_asked_for() -> None:
    assert workers_for("embedded", StackSettings.model_validate({}), 3) == (3, "")
    assert workers_for("external", StackSettings.model_validate({}), 0) == (0, "")
