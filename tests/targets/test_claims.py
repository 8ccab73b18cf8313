from __future__ import annotations

from typing import Any

import pytest

from overbooked.errors import ConfigError
from overbooked.targets import adapter as port
from overbooked.targets.adapter import Capability
from overbooked.targets.claims import PROMISES, hold_to_claims
from reference_system.target.adapter import ReferenceAdapter
from tests.targets.town import TownHall

GROUPS: dict[Capability, type] = {
    Capability.BOOKING: port.BookingVerbs,
    Capability.RESCHEDULING: port.ReschedulingVerbs,
    Capability.RESIZING: port.ResizingVerbs,
    Capability.CHECKOUT: port.CheckoutVerbs,
    Capability.PRICING: port.PricingVerbs,
    Capability.SESSIONS: port.SessionVerbs,
    Capability.WEBHOOKS: port.WebhookVerbs,
    Capability.RECONCILIATION: port.ReconciliationVerbs,
    Capability.DURABLE_STATE: port.DurableStateVerbs,
}


@pytest.mark.parametrize("capability", GROUPS)
def test_a_capability_promises_the_verbs_of_its_group(capability: Capability) -> None:
    verbs = {name for name in vars(GROUPS[capability]) if not name.startswith("_")}
    assert set(PROMISES[capability]) == verbs


def test_clock_and_jobs_share_a_group() -> None:
    verbs = {name for name in vars(port.TimeAndJobs) if not name.startswith("_")}
    assert {*PROMISES[Capability.CLOCK], *PROMISES[Capability.JOBS]} == verbs


def test_every_capability_promises_something() -> None:
    assert set(PROMISES) == set(Capability)
    assert all(PROMISES.values())


def test_adapters_that_keep_their_promises_are_taken() -> None:
    hold_to_claims(TownHall())
    hold_to_claims(ReferenceAdapter())


def test_an_adapter_that_claims_too_much_is_refused() -> None:
    class Braggart(TownHall):
        capabilities = frozenset({Capability.BOOKING, Capability.SESSIONS})
        log_in: Any = None

    with pytest.raises(ConfigError, match=r"expire_access \(of 'sessions'\), revoke_session"):
        hold_to_claims(Braggart())
