"""Removes the System V shared memory segment that a killed PostgreSQL leaves in the kernel.

A postmaster uses the segment to detect another postmaster on its data directory. It removes the segment when
it shuts down, and removes that of its predecessor when it restarts on the same directory; after a kill
without a restart the segment remains.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_IPC_RMID = 0
_SHMEM_LINE = 6  # the line of postmaster.pid, from 0, with key and id


def forget_segment(data_directory: Path) -> bool:
    """Remove the segment of a dead postmaster; return whether a segment was removed.

    A segment is removed only if the process in `postmaster.pid` created it and no process is attached.
    """
    if sys.platform != "linux":
        return False
    try:
        lines = (data_directory / "postmaster.pid").read_text(encoding="ascii").splitlines()
        creator, segment = int(lines[0]), int(lines[_SHMEM_LINE].split()[1])
        table = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError, IndexError):
        return False
    columns = {name: i for i, name in enumerate(table[0].split())}
    for line in table[1:]:
        row = line.split()
        if int(row[columns["shmid"]]) == segment:
            made_by, attached = int(row[columns["cpid"]]), int(row[columns["nattch"]])
            if made_by == creator and attached == 0:
                return bool(ctypes.CDLL(None).shmctl(segment, _IPC_RMID, None) == 0)
    return False
