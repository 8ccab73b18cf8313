"""The one place that decides which variables of the user's shell reach a system under test.

A verdict must not depend on who runs the harness. A process of a stack gets a short list of the
shell's variables (`PASSED_ON`), what is fixed here, what the descriptor passes on by name, and what
the descriptor sets. Our own clients and the adapter live in this process: while they work, the
variables that change clients and the interpreter are set aside.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from overbooked.errors import UsageError

# What a program needs to be found, to keep its files and to know its user. HOME stays the user's:
# the tools that start services (npm, go, uv) keep their caches there.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "COVERAGE_PROCESS_START")
# The same for everybody: locale and time zone decide how text sorts, and how dates and numbers read.
FIXED: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    # So that the last words of a process that dies are in its log.
    "PYTHONUNBUFFERED": "1",
}
# Set aside while we work: each changes database clients, HTTP clients or load generation in this process.
_SET_ASIDE_PREFIXES = ("PG", "REDIS", "DATABASE_URL", "LOCUST_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY", "WS_PROXY", "WSS_PROXY")
# Read by the interpreter as it starts, so that deleting them later has no effect on it.
_READ_AT_START = ("PYTHONDEVMODE", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONWARNINGS")
_READ_LATER = ("PYTHONASYNCIODEBUG", "PYTHONPATH")


def for_process(own: Mapping[str, str], passed_on: Iterable[str] = ()) -> dict[str, str]:
    """The environment of one process of a stack.

    Args:
        own: what the descriptor or the harness sets; it goes over everything else.
        passed_on: further variables of the shell, by name; those that are not set are left out.
    """
    shell = {name: os.environ[name] for name in (*PASSED_ON, *passed_on) if name in os.environ}
    return {**FIXED, **_whose(os.environ), **_own_libraries(os.environ), **shell, **_home(os.environ), **own}


def set_aside_names(environ: Mapping[str, str]) -> list[str]:
    """The variables that `set_aside` takes away, sorted by name."""
    names = (*_READ_AT_START, *_READ_LATER)
    return sorted(
        name
        for name in environ
        if name.startswith(_SET_ASIDE_PREFIXES) or name.upper() in _PROXIES or name in names
    )


@contextmanager
def set_aside() -> Iterator[None]:
    """Take the variables that change clients out of this process, and put them back afterwards.

    A HOME that this user may not enter becomes `/`. The folders of PYTHONPATH remain importable,
    after everything that is installed: an adapter may live there, and a module there must not take
    the place of one of ours.
    """
    names = set_aside_names(os.environ)
    saved = {name: os.environ.pop(name) for name in names}
    if home := _home(os.environ):
        saved["HOME"] = os.environ["HOME"]
        os.environ.update(home)
    path = list(sys.path)
    if "PYTHONPATH" in saved:
        sys.path[:] = _last(path, saved["PYTHONPATH"])
    try:
        yield
    finally:
        os.environ.update(saved)
        if "PYTHONPATH" in saved:
            added = [entry for entry in sys.path if entry not in path]
            sys.path[:] = [*path, *added]


def plain_interpreter() -> None:
    """Make sure that this interpreter was not changed by its environment; starts it anew where it was.

    Raises:
        UsageError: it runs with -O, which takes the assertions out of the scenarios.
    """
    changed = [name for name in _READ_AT_START if os.environ.get(name)]
    if changed and sys.orig_argv:
        kept = {name: value for name, value in os.environ.items() if name not in changed}
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept)  # noqa: S606 - what runs now
    require_assertions()


def require_assertions() -> None:
    """Refuse an interpreter that drops assertions.

    Raises:
        UsageError: it runs with -O or PYTHONOPTIMIZE.
    """
    if sys.flags.optimize:
        raise UsageError(
            "this Python runs with -O or PYTHONOPTIMIZE, which takes out the assertions that verdicts rest "
            "on; run it without"
        )


def _home(environ: Mapping[str, str]) -> dict[str, str]:
    """`/` where HOME is set and may not be entered, as in an image made for root that runs as another user.

    Database clients look for certificates there and fail for want of permission; HOME=/ is what
    container engines give a user without a home.
    """
    home = environ.get("HOME")
    return {} if home is None or os.access(home, os.R_OK | os.X_OK) else {"HOME": "/"}


def _whose(environ: Mapping[str, str]) -> dict[str, str]:
    """How a container platform names a user id that has no passwd entry (nss_wrapper)."""
    if not environ.get("NSS_WRAPPER_PASSWD"):
        return {}
    return {
        name: value
        for name, value in environ.items()
        if name.startswith("NSS_WRAPPER_") or name == "LD_PRELOAD"
    }


def _own_libraries(environ: Mapping[str, str]) -> dict[str, str]:
    """LD_LIBRARY_PATH with the folder of this Python's own library only, where it was found by that."""
    folder = sysconfig.get_config_var("LIBDIR")
    searched = environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    if folder and sysconfig.get_config_var("Py_ENABLE_SHARED") and folder in searched:
        return {"LD_LIBRARY_PATH": folder}
    return {}


def _last(path: list[str], pythonpath: str) -> list[str]:
    said = {str(Path(entry).absolute()) for entry in pythonpath.split(os.pathsep) if entry}
    moved = [entry for entry in path if entry and str(Path(entry).absolute()) in said]
    return [entry for entry in path if entry not in moved] + moved
