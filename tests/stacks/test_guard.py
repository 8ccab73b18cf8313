"""The guard that ends processes with the harness, tested without ending this process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from overbooked.stacks.processes import atexit_guard as guard


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(guard, "_live", {})
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_is_up_is_disposed_of_once_and_what_was_closed_is_not() -> None:
    disposed: list[str] = []
    guard.protect("one", lambda: disposed.append("one"))
    guard.protect("two", lambda: disposed.append("two"))
    guard.unprotect("two")
    guard.dispose_all()
    guard.dispose_all()
    assert disposed == ["one"]


def test_one_that_fails_does_not_keep_the_others() -> None:
    disposed: list[str] = []
    guard.protect("one", lambda: 1 / 0)
    guard.protect("two", lambda: disposed.append("two"))
    guard.dispose_all()
    assert disposed == ["two"]


def test_a_forked_child_owns_nothing() -> None:
    disposed: list[str] = []
    guard._live["parents"] = (os.getppid(), lambda: disposed.append("parents"))
    guard.dispose_all()
    assert disposed == []


def test_a_signal_disposes_and_then_does_what_it_always_did(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(guard.signal, "signal", lambda *given: done.append(given))
    monkeypatch.setattr(guard.os, "kill", lambda *given: done.append(given))
    guard._live["one"] = (os.getpid(), lambda: done.append("disposed"))
    guard._on_signal(signal.SIGTERM, None)
    assert done == ["disposed", (signal.SIGTERM, signal.SIG_DFL), (os.getpid(), signal.SIGTERM)]


def test_a_handler_of_somebody_else_is_left_alone() -> None:
    def theirs(*_: object) -> None: ...

    signal.signal(signal.SIGTERM, theirs)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    guard.protect("one", lambda: None)
    assert signal.getsignal(signal.SIGTERM) is theirs
    assert signal.getsignal(signal.SIGHUP) is guard._on_signal


def test_beside_the_main_thread_signals_stay_as_they_are() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    thread = threading.Thread(target=guard.protect, args=("one", lambda: None))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
