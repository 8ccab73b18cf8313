"""HARD-05, pauses: a mistake by which who lost his lease goes on as if he had it."""

from __future__ import annotations

from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.payments.intents import Intent
from reference_system.booking.runtime import Runtime
from reference_system.mutants.mutant import Mutant, Replace


async def _as_claimed(runtime: Runtime, attempt: Attempt, intent: Intent) -> Attempt:
    return attempt


MUTANTS = (
    Mutant(
        id="HARD-05.1",
        harm="Who pauses for longer than his lease takes the money for a checkout that recovery has ended.",
        substitutions=(Replace("reference_system.booking.checkout.saga:guard", _as_claimed),),
    ),
)
