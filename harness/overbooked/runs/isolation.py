"""Sessions of ours read nothing of the user's pytest: no environment, no configuration, no foreign conftest.

What a project sets for its own tests (options, warnings as errors, other file names, plugins) neither
removes scenarios nor changes what is judged. A conftest inside a folder of scenarios belongs to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# What pytest and its plugins read from the environment.
VARIABLES = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
INI = Path(__file__).with_name("sessions.ini")
# The plugins of a project are for its tests; a scenario that wants one names it in its conftest. Each
# costs every worker its import, and asserts are not what verdicts are made of.
_QUIETLY = (
    "--disable-plugin-autoload",
    *("-p", "pytest_asyncio.plugin", "-p", "overbooked.plugin", "-p", "no:cacheprovider"),
    "--assert=plain",
)


def quietly(scenarios: Sequence[Path], root: Path) -> list[str]:
    """What every session of ours says to pytest.

    Args:
        scenarios: folders or files; conftest files above the first of them are not read.
        root: what node ids are relative to.
    """
    first = next((path if path.is_dir() else path.parent for path in scenarios), root)
    return [f"--rootdir={root}", "-c", str(INI), f"--confcutdir={first}", *_QUIETLY]


def not_read() -> str:
    """Which variables are set and not read, in one sentence; "" where none is."""
    found = [name for name in VARIABLES if os.environ.get(name)]
    if not found:
        return ""
    verb = "is" if len(found) == 1 else "are"
    return f"{' and '.join(found)} {verb} set and not read: what is judged does not depend on it"


@contextmanager
def undisturbed() -> Iterator[None]:
    """This process, and the workers it starts, without these variables; they are put back."""
    kept = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
