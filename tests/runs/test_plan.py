"""A plan is unchanged after a round trip; it assigns clauses to variants."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from overbooked.atomic_write import CannotWrite
from overbooked.runs.plan import HEALTHY, Plan, Trial, Variant


def plan(tmp_path: Path) -> Plan:
    return Plan(
        run="3f9c",
        directory=tmp_path,
        root=tmp_path,
        start=tmp_path,
        settings={"stack": {"kind": "embedded"}},
        seed=4711,
        variants=(
            Variant(HEALTHY, None, ("SYS-03.c", "SYS-03.d")),
            Variant("SYS-03.1", "SYS-03.1", ("SYS-03.c",), repeats=2),
        ),
        plain=False,
        deadline_at=12.5,
        done=frozenset({("a", HEALTHY)}),
        weights={"a": 2.0},
    )


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    before = plan(tmp_path)
    before.write(tmp_path / "deep" / "plan.json")
    assert Plan.read(tmp_path / "deep" / "plan.json") == before


def test_a_plan_that_cannot_be_kept_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *_args: object, **_named: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CannotWrite, match=r"cannot write .*plan\.json: No space left on device"):
        plan(tmp_path).write(tmp_path / "plan.json")


def test_a_scenario_meets_every_variant_that_is_asked_one_of_its_clauses(tmp_path: Path) -> None:
    assert plan(tmp_path).trials(("SYS-03.c",)) == [
        Trial(HEALTHY),
        Trial("SYS-03.1"),
        Trial("SYS-03.1", 1),
    ]
    assert plan(tmp_path).trials(("SYS-03.d", "SYS-04.a")) == [Trial(HEALTHY)]


def test_only_mutants_keep_their_trials_together(tmp_path: Path) -> None:
    assert plan(tmp_path).group(Trial(HEALTHY)) is None
    assert plan(tmp_path).group(Trial("SYS-03.1", 1)) == "SYS-03.1"


def test_a_variant_that_is_not_in_the_plan_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"SYS-03\.9"):
        plan(tmp_path).variant("SYS-03.99")
