"""The database roles that the schema grants to.

`booking_owner` owns everything and runs the revisions; whoever sets up the server creates the
roles and their passwords. Their names can be changed by `BOOKING_APP_ROLE` and
`BOOKING_OBSERVER_ROLE`.
"""

from __future__ import annotations

import os


def app() -> str:
    """The service's role, quoted: it gets only what each revision grants it."""
    return _quoted(os.environ.get("BOOKING_APP_ROLE", "booking_app"))


def observer() -> str:
    """The role, quoted, that may read everything and change nothing."""
    return _quoted(os.environ.get("BOOKING_OBSERVER_ROLE", "booking_observer"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
