"""The start of a child process: sets its death signal, drops root if requested, and executes the program.

It runs as a file, `python -I -S trampoline.py PARENT_PID UID GID DEATH_SIGNAL COMMAND...`; UID and GID are -1
to keep the current ids. It imports only the standard library. It replaces a `preexec_fn`, which runs Python
in the fork of a process with threads and may deadlock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Replace this process with the command; on an error exit 127 with one line on stderr."""
    parent, uid, gid, death_signal = map(int, arguments[:4])
    command = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, because a change of credentials clears the death signal.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            return  # the parent ended before the death signal was set
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command comes from the descriptor
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - read as the part's log
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
