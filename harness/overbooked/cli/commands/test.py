"""`overbooked test`: the harness's own tests."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys

import click

from overbooked.config import Settings
from overbooked.errors import ExitCode, UsageError


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=True)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGUMENTS]...")
def command(*, arguments: tuple[str, ...]) -> int:
    """Run the harness's own tests, on all processors.

    Everything after `test` goes to pytest.

    \b
    overbooked test
    overbooked test tests/faults -k latency
    """
    tests = Settings.load().root / "tests"
    if not tests.is_dir() or importlib.util.find_spec("overbooked") is None:
        raise UsageError(f"the tests come with a checkout of Overbooked; there are none at {tests}")
    own = [] if any(word.startswith(("-n", "--num")) for word in arguments) else ["-n", "auto", "-q"]
    # A separate process, because pytest, its plugins and the harness must not be imported before.
    with subprocess.Popen([sys.executable, "-m", "pytest", *own, *arguments], cwd=tests.parent) as child:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
    return ExitCode.SATISFIED if code == 0 else ExitCode.USAGE if code == 4 else ExitCode.OPEN
