"""Defines which environment variables of the user's shell reach a system under test.

A verdict must not depend on the user's shell. A process of a stack gets a short list of the shell's
variables (`PASSED_ON`), fixed variables (`FIXED`), and the variables that the descriptor passes on by name or
sets. The harness's clients and the adapter run in this process; during a run, variables that change the
behaviour of clients or the interpreter are removed from it.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from overbooked.errors import UsageError

# Variables for finding programs, storing files and identifying the user. HOME is passed on because the tools
# that start services (npm, go, uv) keep their caches there.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "COVERAGE_PROCESS_START")
# Equal for every user: locale and time zone affect sort order, dates and numbers.
FIXED: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    # Without buffering, the log contains the last lines of a process that died.
    "PYTHONUNBUFFERED": "1",
}
# Removed during a run: they change database clients, HTTP clients or load generation in this process.
_SET_ASIDE_PREFIXES = ("PG", "REDIS", "DATABASE_URL", "LOCUST_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY", "WS_PROXY", "WSS_PROXY")
# The interpreter reads these when it starts, so removing them later has no effect.
_READ_AT_START = ("PYTHONDEVMODE", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONWARNINGS")
_READ_LATER = ("PYTHONASYNCIODEBUG", "PYTHONPATH")


def for_process(own: Mapping[str, str], passed_on: Iterable[str] = ()) -> dict[str, str]:
    """Build the environment of one process of a stack.

    Args:
        own: variables that the descriptor or the harness sets; they override all others.
        passed_on: names of additional variables of the shell; unset ones are omitted.
    """
    shell = {name: os.environ[name] for name in (*PASSED_ON, *passed_on) if name in os.environ}
    return {**FIXED, **_whose(os.environ), **_own_libraries(os.environ), **shell, **_home(os.environ), **own}


def set_aside_names(environ: Mapping[str, str]) -> list[str]:
    """The names of the variables that `set_aside` removes, sorted."""
    names = (*_READ_AT_START, *_READ_LATER)
    return sorted(
        name
        for name in environ
        if name.startswith(_SET_ASIDE_PREFIXES) or name.upper() in _PROXIES or name in names
    )


@contextmanager
def set_aside() -> Iterator[None]:
    """Remove the variables that change clients from this process, and restore them afterwards.

    A HOME that this user may not enter is set to `/`. The folders of PYTHONPATH stay importable, but after
    all installed packages: an adapter may be in them, and their modules must not replace installed ones.
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
    """Restart this interpreter if environment variables have changed its behaviour.

    Raises:
        UsageError: it runs with -O, which removes the assertions from the scenarios.
    """
    changed = [name for name in _READ_AT_START if os.environ.get(name)]
    if changed and sys.orig_argv:
        kept = {name: value for name, value in os.environ.items() if name not in changed}
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept)  # noqa: S606 - the current command
    require_assertions()


def require_assertions() -> None:
    """Check that the interpreter executes assertions.

    Raises:
        UsageError: it runs with -O or PYTHONOPTIMIZE.
    """
    if sys.flags.optimize:
        raise UsageError(
            "this Python runs with -O or PYTHONOPTIMIZE, which takes out the assertions that verdicts rest "
            "on; run it without"
        )


def _home(environ: Mapping[str, str]) -> dict[str, str]:
    """HOME=/ if HOME is set and cannot be entered, as in an image for root that runs as another user.

    Database clients look for certificates in HOME and fail without permission. Container engines set HOME=/
    for a user without a home, too.
    """
    home = environ.get("HOME")
    return {} if home is None or os.access(home, os.R_OK | os.X_OK) else {"HOME": "/"}


def _whose(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of nss_wrapper, by which a container platform names a user id without a passwd entry."""
    if not environ.get("NSS_WRAPPER_PASSWD"):
        return {}
    return {
        name: value
        for name, value in environ.items()
        if name.startswith("NSS_WRAPPER_") or name == "LD_PRELOAD"
    }


def _own_libraries(environ: Mapping[str, str]) -> dict[str, str]:
    """LD_LIBRARY_PATH with only the folder of this Python's shared library, if the variable contains it."""
    folder = sysconfig.get_config_var("LIBDIR")
    searched = environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    if folder and sysconfig.get_config_var("Py_ENABLE_SHARED") and folder in searched:
        return {"LD_LIBRARY_PATH": folder}
    return {}


def _last(path: list[str], pythonpath: str) -> list[str]:
    said = {str(Path(entry).absolute()) for entry in pythonpath.split(os.pathsep) if entry}
    moved = [entry for entry in path if entry and str(Path(entry).absolute()) in said]
    return [entry for entry in path if entry not in moved] + moved
