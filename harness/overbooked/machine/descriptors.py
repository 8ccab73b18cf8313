"""File descriptors: as many as a run needs, asked for before anything starts."""

from __future__ import annotations

import resource

from overbooked.errors import UsageError

# Enough for anything that is run here; a limit without end makes some programs close them one by one.
_ENOUGH = 16_384
# What a worker holds beside its bursts: stacks' links, their connections, logs, pipes.
BESIDE_BURSTS = 400
# Of one request of a burst: the client's socket and the relay's two, and one to spare.
EACH_REQUEST = 4


def needed(largest_burst: int) -> int:
    """How many file descriptors one process needs for bursts of so many requests."""
    return BESIDE_BURSTS + EACH_REQUEST * largest_burst


def ensure(wanted: int) -> None:
    """Raise this process's limit as far as it may, for itself and for what it starts.

    Raises:
        UsageError: it may not be raised to `wanted`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reach = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, max(_ENOUGH, wanted))
    if soft != resource.RLIM_INFINITY and soft < reach:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (reach, hard))
            soft = reach
        except (OSError, ValueError):  # a sandbox may forbid it; then the limit is what it is
            pass
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raise UsageError(
            f"a run needs {wanted} file descriptors a process, the limit is {soft}: "
            f"raise it (`ulimit -n {wanted}`) or ask for smaller bursts ([budget] bursts of a profile)"
        )


def runs_out(descriptor: int) -> bool:
    """Whether a descriptor that was just given out is among the last: the lowest free one always is.

    With none left an event loop accepts a connection and closes it, and tells nobody. A connection that is
    passed on takes two.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft != resource.RLIM_INFINITY and soft - 1 - descriptor < 2
