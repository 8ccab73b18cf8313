from __future__ import annotations

from tests.benchmarks.races.tables import Share, healthy, shares, table
from tests.benchmarks.races.trials import Hunt, Trial


def trial(method: str, number: int, hunt: Hunt, mutant: str = "SYS-03.1") -> Trial:
    return Trial(mutant, method, number, allowed_s=2.0, hunt=hunt)


def found(seconds: float) -> Hunt:
    return Hunt(seconds, what="oversold")


def test_the_median_is_taken_over_the_trials_that_detected() -> None:
    trials = [trial("bursts", n, found(n)) for n in (1, 3, 8)] + [trial("bursts", 9, Hunt(2.0))]
    assert Share.of(trials) == Share(detected=3, trials=4, median_s=3)


def test_nothing_detected_has_no_median() -> None:
    assert Share.of([trial("bursts", 0, Hunt(2.0))]) == Share(0, 1, None)


def test_what_does_not_apply_is_no_trial() -> None:
    share = Share.of([trial("frontrun", 0, Hunt(0.0, applies=False, why="it is not installed"))])
    assert (share.trials, share.applies) == (0, False)
    assert str(share) == "does not apply"


def test_trials_are_told_apart_by_mutant_and_method() -> None:
    trials = [
        trial("bursts", 0, found(1)),
        trial("plain", 0, Hunt(2.0)),
        trial("bursts", 0, Hunt(2.0), mutant="SYS-03.2"),
    ]
    assert shares(trials) == {
        "SYS-03.1": {"bursts": Share(1, 1, 1), "plain": Share(0, 1, None)},
        "SYS-03.2": {"bursts": Share(0, 1, None)},
    }


def test_the_table_has_a_row_a_mutant_and_a_column_a_method() -> None:
    trials = [
        trial("exploration", 0, found(1.234)),
        trial("exploration", 1, found(2)),
        trial("bursts", 0, Hunt(2.0)),
    ]
    assert table(trials, ["SYS-03.1", "SYS-03.2"], ["exploration", "bursts", "plain"]) == (
        "| mutant   | exploration | bursts | plain     |\n"
        "|----------|-------------|--------|-----------|\n"
        "| SYS-03.1 | 2/2, 1.62 s | 0/1    | not tried |\n"
    )


def test_below_several_mutants_stands_how_many_are_always_found() -> None:
    trials = [
        trial("exploration", 0, found(1)),
        trial("exploration", 0, found(1), mutant="SYS-03.2"),
        trial("bursts", 0, found(1)),
        trial("bursts", 0, Hunt(2.0), mutant="SYS-03.2"),
    ]
    last = table(trials, ["SYS-03.1", "SYS-03.2"], ["exploration", "bursts", "plain"]).splitlines()[-1]
    assert [cell.strip() for cell in last.strip("|").split("|")] == [
        "always found",
        "2 of 2",
        "1 of 2",
        "not tried",
    ]


def test_what_is_found_in_the_healthy_system_is_a_false_alarm() -> None:
    trials = [
        trial("exploration", 0, Hunt(3.0, rounds=40), mutant="healthy"),
        trial("exploration", 1, Hunt(2.0, rounds=10, undecided=1, what="oversold"), mutant="healthy"),
        trial("exploration", 1, found(1)),
    ]
    assert healthy(trials) == (
        "healthy, exploration: 1 false alarms in 2 trials, 50 rounds, 1 undecided, 5 s\n"
    )


def test_of_the_healthy_system_nothing_is_said_where_nobody_hunted_there() -> None:
    assert healthy([trial("exploration", 0, found(1))]) == ""
