"""Every error: one clear line and the documented exit code."""

from __future__ import annotations

import errno
from collections.abc import Callable

import click
import pytest

from overbooked.cli import group as commands
from overbooked.cli.entry import main, perform
from overbooked.errors import ConfigError, HarnessError, StackError, SystemDied

Raise = Callable[[BaseException], None]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Raise:
    def with_error(error: BaseException) -> None:
        def broken() -> None:
            raise error

        monkeypatch.setattr(
            commands.LazyGroup, "get_command", lambda *_: click.Command("doctor", callback=broken)
        )

    return with_error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("key: wanted this"), 2, "key: wanted this"),
        (HarnessError("the proxy is gone"), 3, "the proxy is gone"),
        (SystemDied("app was ended by SIGSEGV", expected="it lives"), 1, "app was ended by SIGSEGV"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/out/plan.json"),
            3,
            "device: '/out/plan.json'; make",
        ),
        (PermissionError(errno.EACCES, "Permission denied"), 3, "PermissionError"),
        (KeyError("slip of ours"), 3, "KeyError: 'slip of ours'"),
        (KeyboardInterrupt(), 130, "interrupted; cleaned up"),
        (click.UsageError("no such option"), 2, "no such option"),
    ],
)
def test_an_error_is_a_line_and_a_code(
    fails: Raise, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    fails(error)
    assert perform(["doctor"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_a_stack_that_does_not_start_shows_the_end_of_its_log(
    fails: Raise, capsys: pytest.CaptureFixture[str]
) -> None:
    fails(StackError("app did not become healthy", part="app", log=["first", "Address already in use"]))
    assert perform(["doctor"]) == 3
    assert "app| Address already in use" in capsys.readouterr().err


def test_the_code_is_the_process_exit_code(fails: Raise) -> None:
    fails(ConfigError("no"))
    with pytest.raises(SystemExit) as end:
        main(["doctor"])
    assert end.value.code == 2
