"""Measures checker and sweep on generated histories: steps, which are independent of the machine, and time.

    python -m tests.benchmarks.histories [--million]

`unit` is the time to fill a set with a million numbers; the results are ratios to it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from random import Random

from overbooked.histories import (
    CheckResult,
    History,
    KeyValueModel,
    Operation,
    RegisterModel,
    SlotModel,
    check,
    oversold,
)
from overbooked.targets.adapter import Outcome
from tests.histories import simulated
from tests.histories.recorded import DATA, etcd, key_value

THREE = {"A": 5, "B": 3, "C": 1}
SEEDS = 10
DEADLINE_S = 10.0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def unit_s() -> float:
    """Return the unit in seconds on this machine; the best of three."""

    def once() -> float:
        started = time.perf_counter()
        set(range(1_000_000))
        return time.perf_counter() - started

    return min(once() for _ in range(3))


def many_bookings(operations: int, *, slots: int = 200, capacity: int = 40) -> History:
    """Bookings and cancellations one after another, each slot nearly full, never oversold."""
    random = Random(1)
    held: list[list[str]] = [[] for _ in range(slots)]
    recorded = []
    for number in range(operations):
        slot = random.randrange(slots)
        at = number * 1e-3
        if len(held[slot]) < capacity:
            held[slot].append(f"b{number}")
            args, verb, result = {"slot": f"s{slot}"}, "book", f"b{number}"
        else:
            args, verb, result = {"booking": held[slot].pop(random.randrange(capacity))}, "cancel", None
        recorded.append(Operation("ana", verb, args, at, at + 5e-4, Outcome.OK, result))
    return History(tuple(recorded))


def simulations() -> dict[str, Callable[[int], tuple[dict[str, int], History]]]:
    """Families of simulated histories by name, each from a seed."""

    def family(capacities: dict[str, int], **how: object) -> Callable[[int], tuple[dict[str, int], History]]:
        return lambda seed: (capacities, simulated.history(seed, capacities=capacities, **how))  # type: ignore[arg-type]

    oversells = simulated.Flaws(oversells=0.05)
    return {
        "burst of 50, one slot": family({"A": 3}, actors=50, operations=50, verbs=("book",)),
        "burst of 50, one slot, oversold": family(
            {"A": 3}, actors=50, operations=50, verbs=("book",), flaws=simulated.Flaws(oversells=0.2)
        ),
        "50 clients, 3 slots, mixed": family(THREE, actors=50, operations=200),
        "50 clients, 3 slots, mixed, a tenth lost": family(THREE, actors=50, operations=200, unknown=0.1),
        "50 clients, 3 slots, mixed, oversold": family(THREE, actors=50, operations=200, flaws=oversells),
        "8 clients, 3 slots, mixed, long": family(THREE, actors=8, operations=2000),
        "16 clients on each other's bookings": family(THREE, actors=16, operations=200, own=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="sweep a million operations, too")
    wanted = parser.parse_args()
    unit = unit_s()
    say(f"unit {unit * 1000:.0f} ms")
    say(f"{'':44}{'steps':>12}{'worst ms':>12}{'units':>8}  undecided")

    def row(name: str, results: list[CheckResult]) -> None:
        worst = max(result.elapsed_s for result in results)
        undecided = sum(not result.ok and not result.illegal for result in results)
        steps = max(result.steps for result in results)
        say(f"{name:44}{steps:12}{worst * 1000:12.1f}{worst / unit:8.1f}  {undecided} of {len(results)}")

    expected = json.loads((DATA / "etcd/expected.json").read_text())
    row(
        "etcd registers",
        [check(RegisterModel(), etcd(DATA / "etcd" / name), shrink_s=0) for name in expected],
    )
    files = ("kv-c10-ok.txt", "kv-c10-bad.txt")
    row("key-value store", [check(KeyValueModel(), key_value(DATA / name), shrink_s=0) for name in files])
    for name, make in simulations().items():
        made = [make(seed) for seed in range(SEEDS)]
        row(name, [check(SlotModel(c), h, deadline_s=DEADLINE_S, shrink_s=0) for c, h in made])

    operations = 1_000_000 if wanted.million else 100_000
    history, capacities = many_bookings(operations), {f"s{n}": 40 for n in range(200)}
    started = time.perf_counter()
    assert not oversold(history, capacities)
    took = time.perf_counter() - started
    say(f"sweep of {operations:,} operations: {took * 1000:.0f} ms, {took / unit:.1f} units")


if __name__ == "__main__":
    main()
