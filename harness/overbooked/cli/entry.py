"""Runs a command: errors end in one line and the documented exit code, without a traceback."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from overbooked.cli.terminal import Interrupted, pipe_safe
from overbooked.errors import ExitCode, HarnessError, StackError, SystemDied, UsageError
from overbooked.runs import interrupts
from overbooked.stacks.processes.environment import plain_interpreter, set_aside

DEBUG = "OVERBOOKED_DEBUG"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code.

    0 satisfied, 1 a gap is open, 2 bad usage or configuration, 3 inconclusive, 4 too few gaps
    judged, 130 interrupted. `OVERBOOKED_DEBUG=1` shows tracebacks.
    """
    # A closed pipe (`overbooked list | head`) must not change the exit code.
    sys.stdout, sys.stderr = pipe_safe(sys.stdout), pipe_safe(sys.stderr)
    if arguments is None:
        try:
            plain_interpreter()
        except UsageError as error:
            sys.exit(int(_failed(error, error.exit_code)))
    sys.exit(int(perform(sys.argv[1:] if arguments is None else arguments)))


def perform(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    from overbooked.cli.group import overbooked  # noqa: PLC0415 - after main is importable

    with interrupts.handle_interrupts(_still_cleaning), set_aside():
        try:
            # `overbooked.main` is not used, because it prints its own message for Ctrl-C.
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
            _say(_one_line(error))
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


def _one_line(error: click.ClickException) -> str:
    """Return the message of a click error in one line, with the command's --help."""
    said = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{said}; see `{context.command_path} --help`" if context else said


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
