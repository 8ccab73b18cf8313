"""Isolates sessions from the user's pytest environment, configuration and foreign conftest files.

Settings for a project's own tests (options, warnings as errors, other file names, plugins) neither remove
scenarios nor change verdicts. A conftest inside a folder of scenarios is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Environment variables that pytest and its plugins read.
VARIABLES = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
INI = Path(__file__).with_name("sessions.ini")
# A project's plugins are for its own tests and cost every worker an import; a scenario that needs one names
# it in its conftest. Verdicts do not depend on rewritten asserts.
_QUIETLY = (
    "--disable-plugin-autoload",
    *("-p", "pytest_asyncio.plugin", "-p", "overbooked.plugin", "-p", "no:cacheprovider"),
    "--assert=plain",
)


def quietly(scenarios: Sequence[Path], root: Path) -> list[str]:
    """Return the pytest arguments of every session of the harness.

    Args:
        scenarios: folders or files; conftest files above the first of them are not read.
        root: node ids are relative to it.
    """
    first = next((path if path.is_dir() else path.parent for path in scenarios), root)
    return [f"--rootdir={root}", "-c", str(INI), f"--confcutdir={first}", *_QUIETLY]


def not_read() -> str:
    """Return a sentence that names the variables that are set but ignored; "" if there are none."""
    found = [name for name in VARIABLES if os.environ.get(name)]
    if not found:
        return ""
    verb = "is" if len(found) == 1 else "are"
    return f"{' and '.join(found)} {verb} set and not read: what is judged does not depend on it"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Remove these variables for this process and its workers, and restore them afterwards."""
    kept = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
