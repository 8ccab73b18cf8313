"""Checks and raises the limit of file descriptors before a run starts any process."""

from __future__ import annotations

import resource

from overbooked.errors import UsageError

# Enough for any run. Unlimited is avoided: some programs close all possible descriptors one by one.
_ENOUGH = 16_384
# The descriptors of a worker without bursts: stacks' links, their connections, logs, pipes.
BESIDE_BURSTS = 400
# The descriptors per request of a burst: the client's socket, the relay's two, and one in reserve.
EACH_REQUEST = 4


def needed(largest_burst: int) -> int:
    """How many file descriptors one process needs for bursts of up to `largest_burst` requests."""
    return BESIDE_BURSTS + EACH_REQUEST * largest_burst


def ensure(wanted: int) -> None:
    """Raise the limit of this process and of the processes that it starts, as far as allowed.

    Raises:
        UsageError: the limit cannot be raised to `wanted`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reach = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, max(_ENOUGH, wanted))
    if soft != resource.RLIM_INFINITY and soft < reach:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (reach, hard))
            soft = reach
        except (OSError, ValueError):  # a sandbox may forbid it; the limit then stays unchanged
            pass
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raise UsageError(
            f"a run needs {wanted} file descriptors a process, the limit is {soft}: "
            f"raise it (`ulimit -n {wanted}`) or ask for smaller bursts ([budget] bursts of a profile)"
        )


def runs_out(descriptor: int) -> bool:
    """Whether fewer than two descriptors are left after this new one; the kernel assigns the lowest free one.

    A proxied connection takes two descriptors.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft != resource.RLIM_INFINITY and soft - 1 - descriptor < 2
