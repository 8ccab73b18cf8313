"""The part of a stack that is named after a death."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from overbooked.errors import PartDied, StackError, SystemDied
from overbooked.stacks.base.part_failures import failure_of, report_gate_errors, report_root_cause


@dataclass
class Part:
    name: str
    end: str = ""

    def how_it_ended(self) -> str:
        return self.end

    def log_tail(self, lines: int = 40) -> list[str]:
        return [f"last words of {self.name}"][:lines]


REPLICAS = ("app", "app-2")
DEAD = Part("postgres", "was ended by SIGKILL")


def test_the_service_opens_a_gap_and_any_other_part_makes_it_inconclusive() -> None:
    assert isinstance(failure_of(Part("app-2"), "ended", replicas=REPLICAS), SystemDied)
    died = failure_of(DEAD, DEAD.how_it_ended(), replicas=REPLICAS)
    assert isinstance(died, PartDied)
    assert (str(died), died.part) == (
        "postgres was ended by SIGKILL on its own; its last log line: last words of postgres",
        "postgres",
    )
    assert died.log == ("last words of postgres",)


def test_a_service_that_waits_for_a_dead_database_is_not_the_one_named() -> None:
    waited = StackError("app was not ready within 30 s: GET /health answered 503", part="app")
    with (
        pytest.raises(PartDied, match="postgres was ended by SIGKILL on its own"),
        report_root_cause(lambda: [Part("redis"), Part("app"), DEAD], replicas=REPLICAS),
    ):
        raise waited


@pytest.mark.parametrize("parts", [[], [Part("redis")], [Part("app-2", "ended with exit code 3")]])
def test_where_nothing_else_has_died_the_error_stays_as_it_is(parts: list[Part]) -> None:
    with (
        pytest.raises(StackError, match="app was not ready"),
        report_root_cause(lambda: parts, replicas=REPLICAS),
    ):
        raise StackError("app was not ready", part="app")


def test_a_part_that_says_itself_how_it_ended_speaks_for_itself() -> None:
    with (
        pytest.raises(StackError, match="while it was starting"),
        report_root_cause(lambda: [DEAD], replicas=REPLICAS),
    ):
        raise StackError("postgres was ended by SIGKILL while it was starting", part="postgres")


def test_a_conversation_that_broke_off_is_explained_by_the_death_of_who_was_spoken_to() -> None:
    with (
        pytest.raises(PartDied, match="postgres was ended by SIGKILL on its own"),
        report_root_cause(lambda: [DEAD], replicas=REPLICAS),
    ):
        raise StackError("PostgreSQL refused: connection was closed", part="postgres")


@dataclass
class Link:
    said: tuple[str, ...] = ()

    def troubles(self) -> tuple[str, ...]:
        return self.said


def test_a_service_that_the_gate_cannot_read_is_told_in_the_gates_words() -> None:
    links = {"app->redis": Link(), "app->postgres": Link(("the client opens a TLS connection", "another"))}
    with (
        pytest.raises(StackError, match=r"^app->postgres: the client opens a TLS connection$") as raised,
        report_gate_errors(lambda: links),
    ):
        raise StackError("app was not ready within 30 s", part="app", log=["rejected SSL upgrade"])
    assert (raised.value.part, raised.value.log) == ("app", ("rejected SSL upgrade",))


def test_where_the_gate_follows_everything_the_error_stays_as_it_is() -> None:
    with pytest.raises(StackError, match="app was not ready"), report_gate_errors(lambda: {"a->b": Link()}):
        raise StackError("app was not ready", part="app")
