"""A system that stores its bookings outside all links: judged by the means that apply, else not covered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overbooked.config import Settings
from overbooked.errors import FaultError, NotSupported
from overbooked.fault_points.gates import require_store
from overbooked.faults.allowed_hosts import HostPolicy
from overbooked.plugin.explorer_factory import make_explorer
from overbooked.profiles import load_profile
from overbooked.stacks.base.links import LinkSet, plan_links
from overbooked.verdicts.judge import Judge
from tests.stacks.conftest import system

ROOT = Path(__file__).parents[2]

SETTINGS = """
canary = ""
seed = 5
workers = 0

[target]
descriptor = "{root}/tests/second_system/theatre.toml"

[stack]
kind = "embedded"

[profiles.quick.budget]
rounds = 3
bursts = [2, 6]
"""


def stack(kind: str = "embedded", **tables: object) -> Any:
    """Return the part of a stack that is used: its links."""
    links = LinkSet(plan_links(system(**tables), ["app"]))
    links.close()
    return SimpleNamespace(kind=kind, links=links.links, processes={}, dsns={})


def test_the_order_of_messages_to_a_cache_says_nothing_of_a_store_that_is_not_seen() -> None:
    # A rate counter in Redis makes two actors depend on each other, and every order of it is run; the
    # bookings themselves are in the process or in a file, and no order of them is.
    cached = stack(database=None, redis={})
    with pytest.raises(NotSupported, match=r"needs a link to the store of the system's bookings"):
        make_explorer(
            cached,
            SimpleNamespace(client=SimpleNamespace(urls=[])),  # type: ignore[arg-type]
            Judge(["SYS-03.a"], "race"),
            load_profile("quick").budget,
            settings=Settings(),
        )


def test_a_store_is_postgres_or_a_redis_that_is_said_to_keep_the_bookings() -> None:
    require_store(stack())
    require_store(stack(database=None, redis={"store": True}))
    with pytest.raises(NotSupported, match="redis\\] with store = true"):
        require_store(stack(database=None, redis={}))
    with pytest.raises(NotSupported, match=r"\[external.links\] 'app->postgres'"):
        require_store(stack("external", database=None, redis=None))


def test_a_fault_on_a_link_that_the_system_does_not_have_is_not_covered_and_a_misspelt_one_is_our_error() -> (
    None
):
    aim = HostPolicy(stack(database=None))
    with pytest.raises(NotSupported, match="needs the link app->postgres, and this system has app->payments"):
        aim.link("app->postgres")
    with pytest.raises(FaultError, match="no link 'app->postgress'"):
        aim.link("app->postgress")


def test_a_system_without_postgres_is_judged_where_none_is_needed(tmp_path: Path) -> None:
    config = tmp_path / "theatre.toml"
    config.write_text(SETTINGS.format(root=ROOT))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OVERBOOKED_", "PYTEST_"))}
    called = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("overbooked")), "run", "SYS-03.a", "SYS-03.c", "SYS-03.d"),
            *("--config", str(config), "--json"),
        ],
        cwd=ROOT,
        env=environment | {"OVERBOOKED_REPORTS": str(tmp_path / "reports")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    card = json.loads(called.stdout)
    clauses = {clause["id"]: clause for gap in card["gaps"] for clause in gap["clauses"]}
    said = {name: (clause["verdict"], clause.get("reason", "")) for name, clause in clauses.items()}
    assert said["SYS-03.c"][0] == "closed", called.stderr
    assert said["SYS-03.a"][0] == "not covered"
    assert "needs a link to the store of the system's bookings" in said["SYS-03.a"][1]
    assert said["SYS-03.d"][0] == "closed"  # with what the system has: neither checkouts nor rescheduling
