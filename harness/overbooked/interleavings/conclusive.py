"""Decides whether an exploration without a finding shows that its race is safe."""

from __future__ import annotations

from overbooked.interleavings.exploration import Inconclusive
from overbooked.interleavings.results import ExplorationResult

# The number of schedules of two, three and four actors that share nothing: only their beginnings and
# responses are ordered (labelled interval orders).
_ORDERS_OF_STRANGERS = {2: 3, 3: 19, 4: 207}


def require_conclusive(title: str, explored: ExplorationResult) -> None:
    """Raise Inconclusive if an exploration without a finding is incomplete or proves nothing."""
    if explored.sampled and explored.schedules < explored.wanted:
        raise Inconclusive(
            f"{title}: {explored.schedules} of {explored.wanted} schedules were sampled by "
            f"{explored.sampled}: {_why_no_further(explored)}"
        )
    if not explored.exhausted and not explored.sampled:
        raise Inconclusive(
            f"{title}: {_how_far(explored)} with at most {explored.bound} preemptions were run, in random "
            "order within each number of preemptions, and no other strategy went on: "
            f"{_why_no_further(explored)}"
        )
    if explored.shard[0] > 1:
        return
    if (
        not explored.sampled
        and explored.shard == (1, 1)
        and explored.actors > 1
        and explored.boundaries > explored.actors * explored.schedules
        and explored.schedules <= _ORDERS_OF_STRANGERS.get(explored.actors, _ORDERS_OF_STRANGERS[4])
        and not explored.met
    ):
        raise Inconclusive(
            f"{title}: no two actors touched the same data in any of {explored.schedules} schedules, so "
            "this is no exploration; do these actors share anything?"
        )
    if explored.boundaries == 0:
        raise Inconclusive(f"{title}: no actor crossed a boundary, so there was nothing to order")
    if not explored.wrote:
        raise Inconclusive(
            f"{title}: no write crossed a link in any of {explored.schedules} schedules; what the "
            "race is about is kept where no link leads (in the process, in a file, in another database)"
        )
    if not explored.succeeded:
        raise Inconclusive(
            f"{title}: no request succeeded in any of {explored.schedules} schedules, so nothing was raced "
            "for; check the adapter, and whether the place is free when the race begins"
        )


def _how_far(explored: ExplorationResult) -> str:
    whole = explored.schedules + explored.waiting
    return (
        f"{explored.schedules} of about {whole} schedules"
        if explored.waiting
        else f"{explored.schedules} schedules"
    )


def _why_no_further(explored: ExplorationResult) -> str:
    if explored.out_of_time:
        return (
            "there was no time for more; raise [profiles] scenario_s or `scenario_timeout_s`, or divide the "
            "race by --shard"
        )
    return "; ".join(explored.left) or "[budget] schedules is too small"
