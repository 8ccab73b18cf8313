"""What a child of ours runs first: tie its life to ours, give up root if told, then become the program.

Run as a file by `python -I -S trampoline.py PARENT_PID UID GID DEATH_SIGNAL COMMAND...`; UID and
GID are -1 to keep what we are. It imports the standard library only. It is not a `preexec_fn`,
which forks a process with threads and may deadlock in the child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the command, or exit 127 with one line on stderr."""
    parent, uid, gid, death_signal = map(int, arguments[:4])
    command = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid: a change of credentials clears it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            return  # our parent died before we could be tied to it
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command comes from the descriptor
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - read as the part's log
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
