"""HARD-06, holds: a mistake by which a place is freed while it is being paid for."""

from __future__ import annotations

from reference_system.mutants.mutant import Edit, Mutant

_HOLDS = "reference_system.booking.holds.store"

MUTANTS = (
    Mutant(
        id="HARD-06.1",
        harm="Who pays so slowly that his hold runs out is charged for a place that somebody else gets.",
        substitutions=(
            Edit(
                f"{_HOLDS}:EXPIRED_CHECKOUTS",
                "checkout.state = 'open'",
                "(checkout.state = 'open' OR checkout.state = 'paying' AND checkout.lease_until <= :now)",
            ),
            Edit(f"{_HOLDS}:EXPIRE_CHECKOUT", "state = 'open'", "state IN ('open', 'paying')"),
        ),
    ),
)
