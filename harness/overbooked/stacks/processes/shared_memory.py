"""The System V segment that a killed PostgreSQL leaves in the kernel.

It is a few bytes by which a postmaster knows that another one uses its data directory. A postmaster
that ends in order removes it, and one that is started again on the same directory removes its
predecessor's; killed and never started again, nobody does.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_IPC_RMID = 0
_SHMEM_LINE = 6  # of postmaster.pid, counted from 0: key and id


def forget_segment(data_directory: Path) -> bool:
    """Remove the segment of a postmaster that has died; says whether there was one.

    It is removed only if the process in `postmaster.pid` made it and nobody is attached any more.
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
