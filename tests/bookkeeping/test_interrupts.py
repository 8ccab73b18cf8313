"""The first interruption ends the work, later ones wait for the cleaning up."""

from __future__ import annotations

import os
import signal

import pytest

from harness.bookkeeping import interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_the_next_is_told_to_wait(number: signal.Signals) -> None:
    told: list[str] = []
    with interrupts.first_one_counts(lambda: told.append("wait")):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    assert told == ["wait"]


def test_the_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interrupts.first_one_counts(lambda: None):
        pass
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_held_interrupt_comes_when_it_is_let_in() -> None:
    reached = []

    def work() -> None:
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end of the block")
        reached.append("too far")

    with interrupts.first_one_counts(lambda: None), pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["end of the block"]
