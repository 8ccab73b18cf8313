"""The database roles that the schema grants to.

`booking_owner` owns everything and runs the revisions; the roles and their passwords are created with
the server. Their names can be changed by `BOOKING_APP_ROLE` and
`BOOKING_OBSERVER_ROLE`.
"""

from __future__ import annotations

import os


def app() -> str:
    """Return the service's role, quoted; it has only the rights that each revision grants."""
    return _quoted(os.environ.get("BOOKING_APP_ROLE", "booking_app"))


def observer() -> str:
    """Return the observer's role, quoted; it may read everything and change nothing."""
    return _quoted(os.environ.get("BOOKING_OBSERVER_ROLE", "booking_observer"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
