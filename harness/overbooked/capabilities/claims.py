"""Checks an adapter's claims of capabilities and finds the objects that implement them."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from overbooked.capabilities.capability import Capability
from overbooked.capabilities.registry import known
from overbooked.errors import ConfigError, NotSupported

P = TypeVar("P")

# Capabilities or their ids; as a mapping, with the object that implements each.
Claims: TypeAlias = Collection[Capability[Any] | str]


class Claimant(Protocol):
    """Any object with claims, such as an adapter."""

    @property
    def capabilities(self) -> Claims: ...


def claimed(adapter: Claimant) -> list[Capability[Any]]:
    """Return the capabilities that an adapter claims, by id.

    Raises:
        ConfigError: a claim is not a capability; the message names the existing ones.
    """
    found, unknown = {}, []
    for claim in adapter.capabilities:
        capability = claim if isinstance(claim, Capability) else known().get(claim)
        if capability is None:
            unknown.append(repr(claim))
        else:
            found[capability.id] = capability
    if unknown:
        raise ConfigError(
            f"the adapter {_name(adapter)} claims {', '.join(sorted(unknown))}, which is no capability; "
            f"there are {', '.join(map(repr, sorted(known())))}. A capability of your own is declared "
            "with overbooked.capabilities.declare"
        )
    return [found[name] for name in sorted(found)]


def offers(adapter: Claimant, *wanted: Capability[Any]) -> bool:
    """Whether an adapter claims all of these."""
    return all(one in adapter.capabilities or one.id in adapter.capabilities for one in wanted)


def require(adapter: Claimant, *needed: Capability[Any]) -> None:
    """Raise NotSupported, naming what is missing, unless the adapter claims all these capabilities."""
    missing = sorted(one.id for one in needed if not offers(adapter, one))
    if missing:
        what = ", ".join(map(repr, missing))
        raise NotSupported(f"needs {what}, which {_name(adapter)} does not offer")


def implementation(adapter: Claimant, capability: Capability[P]) -> P:
    """Return the object that implements a capability: the adapter itself or the one in its mapping.

    Raises:
        NotSupported: the adapter does not claim it.
    """
    require(adapter, capability)
    claims = adapter.capabilities
    if isinstance(claims, Mapping):
        return cast("P", claims[capability] if capability in claims else claims[capability.id])
    return cast("P", adapter)


def check(adapter: Claimant) -> None:
    """Refuse an adapter that claims a capability and does not implement its protocol.

    Raises:
        ConfigError: one line that names each missing or wrong method and the remedy.
    """
    faults = [
        f"{verb} (of {capability.id!r}) {fault}"
        for capability in claimed(adapter)
        for verb, fault in _faults(implementation(adapter, capability), capability)
    ]
    if faults:
        raise ConfigError(
            f"the adapter {_name(adapter)} claims what it does not have: {', '.join(faults)}; "
            "write these as the protocol has them, or take the capability off its list"
        )


def _faults(implementing: object, capability: Capability[Any]) -> list[tuple[str, str]]:
    faults = []
    for verb in capability.verbs:
        if not (hasattr(type(implementing), verb) or verb in getattr(implementing, "__dict__", {})):
            faults.append((verb, "is missing"))
        elif inspect.isfunction(wanted := inspect.getattr_static(capability.protocol, verb, None)):
            # Not a property, so that reading it runs none of the adapter's code.
            fault = _fault(getattr(implementing, verb), wanted)
            faults += [(verb, fault)] if fault else []
    return faults


def _fault(found: Any, wanted: Any) -> str:
    if not callable(found):
        return "is no method"
    if inspect.iscoroutinefunction(found) and not inspect.iscoroutinefunction(wanted):
        return "must not be async: it returns what is to be sent, and the harness sends it"
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return ""
    expected = list(inspect.signature(wanted).parameters.values())[1:]
    required = [one for one in expected if one.default is one.empty]
    for asked in (required, expected):
        positional = [None for one in asked if one.kind is not one.KEYWORD_ONLY]
        named = {one.name: None for one in asked if one.kind is one.KEYWORD_ONLY}
        try:
            signature.bind(*positional, **named)
        except TypeError as error:
            shown = inspect.Signature([one.replace(annotation=one.empty) for one in expected])
            return f"does not take {shown}: {error}"
    return ""


def _name(adapter: object) -> str:
    return type(adapter).__name__
