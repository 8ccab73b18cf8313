"""The first interruption ends the work; later ones wait for the clean-up."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from overbooked.runs import interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_the_next_is_told_to_wait(number: signal.Signals) -> None:
    told: list[str] = []
    with interrupts.handle_interrupts(lambda: told.append("wait")):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    assert told == ["wait"]


def test_the_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interrupts.handle_interrupts(lambda: None):
        pass
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_cancelled_after_an_interrupted_command_is_not_called_interrupted() -> None:
    with interrupts.handle_interrupts(lambda: None), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)

    async def cancelled_by_its_limit() -> None:
        task = asyncio.current_task()
        assert task is not None
        with interrupts.cancel_on_interrupt():
            task.cancel()
            await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled_by_its_limit())


def blocked(listen: bool) -> int:
    """Return the signals that a new process blocks, as a bit mask."""
    program = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('SigBlk')][0])"
    if listen:
        calls = "from overbooked.runs.interrupts import follow_controller\nfollow_controller(os.getppid())"
        program = f"import os\n{calls}\n{program}"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(said.stdout, 16)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_are_born_deaf_to_ctrl_c_until_they_know_whom_to_obey() -> None:
    bit = 1 << (signal.SIGINT - 1)
    with interrupts.workers_ignore_sigint():
        assert blocked(listen=False) & bit
        assert not blocked(listen=True) & bit
    assert not blocked(listen=False) & bit
