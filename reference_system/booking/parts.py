"""The parts the service is made of: modules with routes and modules with jobs.

A domain joins the service by a line in one of these tables.
"""

from __future__ import annotations

_BOOKING = "reference_system.booking"

ROUTES: tuple[str, ...] = (
    # Each offers `router`, a fastapi.APIRouter.
    f"{_BOOKING}.health.routes",
)

CONTROL_ROUTES: tuple[str, ...] = (
    # Served only where the control plane is on.
)

JOBS: tuple[str, ...] = (
    # Importing each registers its jobs.
)
