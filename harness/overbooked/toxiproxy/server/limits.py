"""Ends the server with a message when it reaches a limit of this machine.

A server that cannot accept or connect must not look like an upstream that refuses connections. The harness
treats its end as a failure of its own, so no verdict is based on observations at that time.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from overbooked.machine.troubles import limit_of

# The exit code of a server that has reached a limit of this machine (EX_OSERR).
LIMIT_REACHED = 71


def end(limit: str) -> NoReturn:
    """End the server immediately; `limit` is its last line on standard error."""
    sys.stderr.write(f"toxiproxy: {limit}\n")
    sys.stderr.flush()
    os._exit(LIMIT_REACHED)


def end_at_limit(error: BaseException) -> None:
    """End the server if a limit of this machine caused the error; otherwise return."""
    if limit := limit_of(error):
        end(limit)
