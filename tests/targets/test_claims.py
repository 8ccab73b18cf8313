from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

import pytest

from overbooked.capabilities import Capability, check, declare, implementation, known, offers, require
from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.jobs import JOBS
from overbooked.capabilities.pricing import PRICING
from overbooked.capabilities.resizing import RESIZING
from overbooked.capabilities.sessions import SESSIONS
from overbooked.errors import ConfigError, NotSupported
from overbooked.targets.adapter import Account, Action, Slot
from reference_system.target.adapter import ReferenceAdapter
from tests.targets.town import TownHall


def test_the_verbs_of_a_capability_are_those_of_its_protocol() -> None:
    assert BOOKING.verbs == ("book", "cancel", "places")
    assert PRICING.verbs == (
        "repricings",
        "reprice",
        "roundings",
        "open_priced_slot",
        "currencies",
        "dearest_minor",
        "price_lock_s",
    )


def test_capabilities_are_found_by_where_their_files_stand() -> None:
    assert {
        "booking",
        "checkout",
        "clock",
        "durable state",
        "jobs",
        "pricing",
        "reconciliation",
        "rescheduling",
        "resizing",
        "sessions",
        "webhooks",
    } <= set(known())
    assert all(capability.verbs for capability in known().values())


def test_adapters_that_implement_what_they_claim_are_taken() -> None:
    check(TownHall())
    check(ReferenceAdapter())


def test_an_adapter_that_claims_too_much_is_refused_with_every_method_that_is_missing() -> None:
    class Braggart(TownHall):
        capabilities = frozenset({BOOKING, SESSIONS})

        async def log_in(self, who: Account) -> None: ...

    with pytest.raises(ConfigError) as refused:
        check(Braggart())
    assert "expire_access (of 'sessions') is missing, revoke_session (of 'sessions') is missing" in str(
        refused.value
    )
    assert "\n" not in str(refused.value)


class TestAMethodThatIsWrongIsRefused:
    def refusal(self, **methods: Any) -> str:
        class Wrong(TownHall):
            capabilities = frozenset({"booking", "resizing"})

            def resize(self, slot: Slot, capacity: int) -> Action: ...

        for name, method in methods.items():
            setattr(Wrong, name, method)
        with pytest.raises(ConfigError) as refused:
            check(Wrong())
        return str(refused.value)

    def test_a_parameter_it_does_not_take(self) -> None:
        def book(self: Any, who: Account, slot: Slot) -> Any: ...

        assert "book (of 'booking') does not take (who, slot, *, key=None)" in self.refusal(book=book)

    def test_a_parameter_that_the_protocol_does_not_have(self) -> None:
        def resize(self: Any, slot: Slot, capacity: int, by: str) -> Any: ...

        assert "resize (of 'resizing') does not take (slot, capacity)" in self.refusal(resize=resize)

    def test_async_where_an_action_is_returned(self) -> None:
        async def resize(self: Any, slot: Slot, capacity: int) -> Any: ...

        assert "resize (of 'resizing') must not be async" in self.refusal(resize=resize)

    def test_something_that_cannot_be_called(self) -> None:
        assert "places (of 'booking') is no method" in self.refusal(places=3)

    def test_further_parameters_with_defaults_are_fine(self) -> None:
        class Generous(TownHall):
            capabilities = frozenset({"booking"})

            def places(self, slot: Slot, *, fresh: bool = True) -> Awaitable[tuple[int, int]]:
                return super().places(slot)

        check(Generous())


def test_a_claim_that_is_no_capability_is_refused_with_those_there_are() -> None:
    class Dreamer(TownHall):
        capabilities = frozenset({"booking", "teleporting"})

    with pytest.raises(
        ConfigError, match=r"claims 'teleporting', which is no capability; there are .*'jobs'"
    ):
        check(Dreamer())


class Desk:
    async def run(self, name: str) -> dict[str, Any]:
        return {"ran": name}

    async def run_due(self) -> None: ...

    async def settle(self) -> None: ...

    async def recover(self) -> None: ...


class Composed(TownHall):
    def __init__(self) -> None:
        super().__init__()
        self.capabilities = {BOOKING: self, "jobs": Desk()}


async def test_an_adapter_may_have_an_object_for_each_capability() -> None:
    composed = Composed()
    check(composed)
    assert await implementation(composed, JOBS).run("expire") == {"ran": "expire"}
    assert implementation(composed, BOOKING) is composed
    assert offers(composed, BOOKING, JOBS)
    assert not offers(composed, JOBS, RESIZING)


def test_the_object_of_a_composed_adapter_is_checked_too() -> None:
    composed = Composed()
    composed.capabilities = {JOBS: object()}
    with pytest.raises(ConfigError, match=r"run \(of 'jobs'\) is missing"):
        check(composed)


def test_what_an_adapter_lacks_is_named() -> None:
    with pytest.raises(NotSupported, match="needs 'jobs', 'sessions', which TownHall does not offer"):
        require(TownHall(), SESSIONS, JOBS, BOOKING)


class TestAProjectsOwnCapability:
    def test_is_known_once_it_is_declared(self) -> None:
        class Parking(Protocol):
            async def park(self) -> None: ...

        assert "parking" not in known()
        parking: Capability[Parking] = declare("parking", Parking)
        assert known()["parking"] is parking

    def test_must_not_take_the_id_of_another(self) -> None:
        class Booking(Protocol):
            async def park(self) -> None: ...

        with pytest.raises(ConfigError, match=r"'booking' is declared twice: by overbooked\.capabilities"):
            declare("booking", Booking)
        assert known()["booking"] is BOOKING

    def test_must_have_an_id_that_makes_a_name(self) -> None:
        with pytest.raises(ConfigError, match="use lower-case words"):
            declare("2 cars!", Desk)
