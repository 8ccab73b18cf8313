"""The way in and out of every command: one clear line and the documented exit code, no traceback."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from overbooked.cli.interrupted import Interrupted
from overbooked.cli.lasting import lasting
from overbooked.errors import ExitCode, HarnessError, StackError, SystemDied, UsageError
from overbooked.runs import interrupts
from overbooked.stacks.processes.environment import plain_interpreter, set_aside

DEBUG = "OVERBOOKED_DEBUG"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code.

    0 satisfied, 1 a gap is open, 2 bad usage or configuration, 3 inconclusive, 4 too few gaps
    judged, 130 interrupted. `OVERBOOKED_DEBUG=1` shows tracebacks.
    """
    # A reader who goes (`overbooked list | head`) decides nothing, least of all the exit code.
    sys.stdout, sys.stderr = lasting(sys.stdout), lasting(sys.stderr)
    if arguments is None:
        try:
            plain_interpreter()
        except UsageError as error:
            sys.exit(int(_failed(error, error.exit_code)))
    sys.exit(int(perform(sys.argv[1:] if arguments is None else arguments)))


def perform(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    from overbooked.cli.group import overbooked  # noqa: PLC0415 - after main is importable

    with interrupts.first_one_counts(_still_cleaning), set_aside():
        try:
            # Not `overbooked.main`: it has words of its own for Ctrl-C.
            with overbooked.make_context("overbooked", list(arguments)) as context:
                code = overbooked.invoke(context)
        except click.exceptions.Exit as end:
            return end.exit_code
        except Interrupted as stop:
            more = f"; {stop.how_to_go_on}" if stop.how_to_go_on else ""
            _say(f"interrupted; cleaned up; {stop.folder}/ is incomplete{more}")
            return ExitCode.INTERRUPTED
        except (KeyboardInterrupt, click.Abort):
            _say("interrupted; cleaned up")
            return ExitCode.INTERRUPTED
        except click.ClickException as error:
            error.show(sys.stderr)
            return ExitCode.USAGE
        except HarnessError as error:
            return _failed(error, error.exit_code)
        except SystemDied as death:
            return _failed(death, ExitCode.OPEN, death.what)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                full = HarnessError(f"no disk space: {error}; make room")
                full.__cause__ = error
                return _failed(full, ExitCode.INCONCLUSIVE)
            return _failed(error, ExitCode.INCONCLUSIVE, f"{type(error).__name__}: {error}")
        except Exception as error:
            return _failed(error, ExitCode.INCONCLUSIVE, f"{type(error).__name__}: {error}")
    return int(code or 0)


def _failed(error: BaseException, code: ExitCode, message: str | None = None) -> ExitCode:
    said = message or str(error)
    _say(said)
    if isinstance(error, StackError):
        for line in error.log[-20:]:
            if line.strip() in said:
                continue
            _say(f"  {error.part or 'log'}| {line}", prefix=False)
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    elif message and code is ExitCode.INCONCLUSIVE:
        _say(f"{DEBUG}=1 shows where it happened", prefix=False)
    return code


def _still_cleaning() -> None:
    _say("still cleaning up; it takes some seconds at most")


def _say(text: str, *, prefix: bool = True) -> None:
    sys.stderr.write(f"overbooked: {text}\n" if prefix else f"{text}\n")
    sys.stderr.flush()
