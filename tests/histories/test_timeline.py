"""A history drawn as text."""

from __future__ import annotations

from overbooked.histories import Window, timeline
from tests.histories.writing import ok, refused, unknown


def test_bars_stand_under_one_axis_with_windows_on_top():
    drawn = timeline(
        [
            refused("ben", 0.010, 0.020, "book", slot="A"),
            ok("ana", 0.000, 0.010, "book", "b1", slot="A"),
            unknown("eve", 0.005, 0.010, "cancel", booking="b1"),
            unknown("kim", 0.015, None, "book", slot="A"),
        ],
        windows=[Window("slow", 0.005, 0.015)],
        width=20,
    )
    assert drawn.splitlines() == [
        "      0 ms         20.0 ms",
        "slow |     ########### ".rstrip().ljust(26) + "|",
        "ana  |===========         | book slot=A -> ok b1",
        "eve  |     =====?~~~~~~~~~| cancel booking=b1 -> unknown",
        "ben  |          =========x| book slot=A -> refused",
        "kim  |               ?~~~~| book slot=A -> unknown",
    ]


def test_nothing_is_drawn_of_nothing():
    assert timeline([]) == "(no operations)"


def test_one_moment_is_a_whole_axis():
    assert "|=   | read" in timeline([ok("a", 1, 1, "read")], width=4)
