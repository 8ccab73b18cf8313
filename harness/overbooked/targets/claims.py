"""Which verbs each capability promises, and whether an adapter keeps its promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from overbooked.errors import ConfigError, NotSupported
from overbooked.targets.adapter import Adapter, Capability

# The names in each group's protocol in `port`.
PROMISES: Mapping[Capability, tuple[str, ...]] = {
    Capability.BOOKING: ("book", "cancel", "places"),
    Capability.RESCHEDULING: ("reschedule",),
    Capability.RESIZING: ("resize",),
    Capability.CHECKOUT: ("checkout", "read_checkout", "resume", "use_lock"),
    Capability.PRICING: ("repricings", "reprice", "roundings", "open_priced_slot", "price_lock_s"),
    Capability.SESSIONS: ("log_in", "expire_access", "revoke_session"),
    Capability.CLOCK: ("advance",),
    Capability.JOBS: ("run_job", "settle", "recover"),
    Capability.WEBHOOKS: (
        "hold_deliveries",
        "provider_pays",
        "provider_refunds",
        "events",
        "redeliver",
        "deliver",
        "bad_event",
    ),
    Capability.RECONCILIATION: (
        "plant",
        "agree",
        "delay_refunds",
        "mend",
        "reconcile",
        "last_reconciliation",
    ),
    Capability.DURABLE_STATE: ("state",),
}


def hold_to_claims(adapter: Adapter) -> None:
    """Refuse an adapter that claims a capability and lacks one of its verbs.

    Raises:
        ConfigError: names what is missing, or a capability that there is not.
    """
    unknown = sorted(set(adapter.capabilities) - set(Capability))
    if unknown:
        raise ConfigError(
            f"the adapter {type(adapter).__name__} claims {', '.join(map(repr, unknown))}, which is no "
            f"capability; there are {', '.join(repr(str(known)) for known in Capability)}"
        )
    lacking = [
        f"{verb} (of {str(capability)!r})"
        for capability in sorted(adapter.capabilities)
        for verb in PROMISES[capability]
        if not hasattr(type(adapter), verb)
    ]
    if lacking:
        raise ConfigError(
            f"the adapter {type(adapter).__name__} claims what it does not have: {', '.join(lacking)}; "
            "write these verbs or take the capability off its list"
        )


def require(adapter: Adapter, needed: Iterable[Capability]) -> None:
    """Raise NotSupported, naming what is missing, unless the adapter has all that is needed."""
    missing = sorted(set(needed) - adapter.capabilities)
    if missing:
        what = ", ".join(repr(capability.value) for capability in missing)
        raise NotSupported(f"needs {what}, which {type(adapter).__name__} does not offer")
