"""The parts the service is made of: modules with routes and modules with jobs.

A domain joins the service by a line in one of these tables.
"""

from __future__ import annotations

_BOOKING = "reference_system.booking"

ROUTES: tuple[str, ...] = (
    # Each offers `router`, a fastapi.APIRouter.
    f"{_BOOKING}.accounts.routes",
    f"{_BOOKING}.venues.routes",
    f"{_BOOKING}.pricing.routes",
    f"{_BOOKING}.bookings.routes",
    f"{_BOOKING}.checkout.routes",
    f"{_BOOKING}.webhooks.routes",
    f"{_BOOKING}.ledger.routes",
    f"{_BOOKING}.dead_letters.routes",
    f"{_BOOKING}.reconciliation.routes",
    f"{_BOOKING}.audit.routes",
    f"{_BOOKING}.health.routes",
)

CONTROL_ROUTES: tuple[str, ...] = (
    # Served only where the control plane is on.
    f"{_BOOKING}.control.routes",
)

JOBS: tuple[str, ...] = (
    # Importing each registers its jobs.
    f"{_BOOKING}.holds.jobs",
    f"{_BOOKING}.checkout.recovery",
    f"{_BOOKING}.outbox.jobs",
    f"{_BOOKING}.reconciliation.jobs",
)
