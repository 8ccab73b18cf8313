"""The folders in which stacks store their files, and the free disk space there."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from overbooked.errors import ConfigError, StackError
from overbooked.stacks.base.settings import StackSettings

_APP = "overbooked"
_FULL = os.strerror(errno.ENOSPC)


@dataclass(frozen=True, slots=True)
class StackPaths:
    """`stacks` contains a folder per stack; `cache` contains files that are kept between runs."""

    stacks: Path
    cache: Path


def places(settings: StackSettings) -> StackPaths:
    """Find or create the folders.

    For root these are the system's folders (`/var/lib`, `/var/cache`) and not those in root's home, because
    the user that runs PostgreSQL must be able to read them.

    Raises:
        ConfigError: a configured folder cannot be used.
        StackError: no folder can be created.
    """
    root = os.geteuid() == 0
    state = _place(
        settings.state_dir,
        (lambda: Path("/var/lib") / _APP) if root else lambda: platformdirs.user_state_path(_APP),
        "state_dir",
    )
    cache = _place(
        settings.cache_dir,
        lambda: (platformdirs.site_cache_path if root else platformdirs.user_cache_path)(_APP),
        "cache_dir",
    )
    stacks = state / "stacks"
    stacks.mkdir(exist_ok=True)
    if root:
        stacks.chmod(0o755)
    return StackPaths(stacks, cache)


def _place(chosen: Path | None, usual: Callable[[], Path], setting: str) -> Path:
    root = os.geteuid() == 0
    reasons = []
    candidates = [chosen] if chosen else [Path(tempfile.gettempdir()) / f"{_APP}-{os.getuid()}"]
    if not chosen:
        try:
            candidates.insert(0, usual())
        except RuntimeError:  # neither HOME nor a passwd entry
            reasons.append("the home folder: HOME is not set")
    for place in candidates:
        try:
            with explain_full_disk():
                place.mkdir(parents=True, exist_ok=True)
                _ours_alone(place)
        except OSError as error:
            reasons.append(f"{place}: {error.strerror or error}")
            continue
        if root:
            place.chmod(0o755)
            closed = next((p for p in (place, *place.parents) if not p.stat().st_mode & stat.S_IXOTH), None)
            if closed:
                reasons.append(f"{place}: {closed} cannot be entered by the user that runs PostgreSQL")
                continue
        return place.resolve()
    message = "; ".join(reasons)
    if chosen:
        raise ConfigError(f"[stack] {setting} cannot be used: {message}")
    raise StackError(f"no folder for the stack's files; set [stack] {setting}. Tried {message}", part="disk")


def _ours_alone(place: Path) -> None:
    found = place.stat()
    if found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user")
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "cannot be written")


def require_space(place: Path, wanted_mb: int) -> None:
    """Check the free disk space.

    Raises:
        StackError: less than `wanted_mb` megabytes are free at `place`.
    """
    free_mb = shutil.disk_usage(place).free // 1_000_000
    if free_mb < wanted_mb:
        raise StackError(
            f"no disk space: {free_mb} MB free at {place}, {wanted_mb} MB needed; free some, "
            "or point [stack] state_dir and cache_dir elsewhere",
            part="disk",
        )


@contextmanager
def explain_full_disk() -> Iterator[None]:
    """Convert a full disk, found by an OSError or in a part's log, into a StackError that names it."""
    try:
        yield
    except StackError as error:
        told = next((line for line in (*error.log, *str(error).splitlines()) if _FULL in line), None)
        if told is None or error.part == "disk":
            raise
        raise StackError(
            f"no disk space: {error.part or 'the stack'} says {told.strip()!r}; free some, or point "
            "[stack] state_dir and cache_dir elsewhere",
            part="disk",
            log=error.log,
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" at {error.filename}" if error.filename else ""
            raise StackError(
                f"no disk space: writing{where} failed ({error.strerror}); free some, or point "
                "[stack] state_dir and cache_dir elsewhere",
                part="disk",
            ) from error
        raise
