"""Receipts of mutants: whether the code of a seeded defect ran while a scenario judged it.

A target declares the path in its descriptor (`[mutants] receipt`). Every replica answers with JSON:
`{"mutant": "SYS-03.1", "ran": {"what was replaced": 12, ...}, "schema_in_force": null}`. The counts are those
of the process since it started; `schema_in_force` is null if the mutant changes no schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from overbooked.plain_text import bounded, clean
from overbooked.stacks.base.protocol import Stack

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class ReceiptCounts:
    """The receipts of all replicas at one moment.

    Args:
        ran: how often each substitution ran, by replica.
        pids: the process id of each replica, to detect a restart; None if unknown.
        schema: whether the mutant's schema change is in force; None: it has none.
        unknown: why there is no receipt.
    """

    ran: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    pids: Mapping[str, int | None] = field(default_factory=dict)
    schema: bool | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class MutantReceipt:
    """Whether a mutant was active during one trial.

    Args:
        ran: how often each of its substitutions ran meanwhile, over all replicas; a lower bound if a
            replica was killed.
        schema: whether its schema change was in force; None: it has none.
        unknown: the reason if it is unknown; "": it is known.
    """

    ran: Mapping[str, int] = field(default_factory=dict)
    schema: bool | None = None
    unknown: str = ""

    @property
    def idle(self) -> str:
        """The reason why a missing finding proves nothing; "" if the mutant was active or that is unknown."""
        if self.unknown:
            return ""
        if self.schema is False:
            return "the mutant's schema change is not in force; prepare it on the database the service uses"
        if self.ran and not any(self.ran.values()):
            return "the mutant's code never ran; let the scenario reach it, or replace what is called"
        return ""

    @property
    def without_effect(self) -> bool:
        """Whether the mutant was inactive, so that a finding was not caused by it."""
        return bool(self.idle) and not self.schema

    def as_dict(self) -> dict[str, Any]:
        return {"ran": dict(self.ran), "schema_in_force": self.schema, "unknown": self.unknown}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MutantReceipt:
        return cls(data["ran"], data["schema_in_force"], data["unknown"])


async def read(stack: Stack, path: str) -> ReceiptCounts:
    """Request the receipt of every replica.

    Args:
        path: the path of the receipt at each replica; "": the target has none.
    """
    if not path:
        return ReceiptCounts(unknown="the target's descriptor has no [mutants] receipt")
    ran: dict[str, Mapping[str, int]] = {}
    schema: bool | None = None
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
        for name in stack.replicas:
            try:
                answer = await client.get(f"{stack.urls[name].rstrip('/')}{path}")
                answer.raise_for_status()
                said = answer.json()
                if said["mutant"] != stack.mutant:
                    return ReceiptCounts(
                        unknown=f"{name} runs the mutant {said['mutant']}, not {stack.mutant}"
                    )
                ran[name] = {str(what): int(n) for what, n in dict(said["ran"]).items()}
                if (in_force := said.get("schema_in_force")) is not None:
                    schema = bool(in_force) and schema is not False
            except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
                why = f"{name} has no receipt at {path}: {type(error).__name__} {error}"
                return ReceiptCounts(unknown=bounded(clean(why), 300))
    return ReceiptCounts(ran, {name: _pid(stack, name) for name in stack.replicas}, schema)


def between(before: ReceiptCounts, after: ReceiptCounts) -> MutantReceipt:
    """Return the receipt of the substitutions that ran between two readings.

    A replica that was restarted meanwhile counts from zero. Its counts before the kill are unknown, so
    a receipt that contains only zeros is then unknown as well.
    """
    unknown = before.unknown or after.unknown
    if unknown:
        return MutantReceipt(unknown=unknown)
    ran: dict[str, int] = {}
    restarted = [name for name, pid in after.pids.items() if pid is None or before.pids.get(name) != pid]
    for name, counts in after.ran.items():
        earlier = {} if name in restarted else before.ran.get(name, {})
        for what, n in counts.items():
            ran[what] = ran.get(what, 0) + max(0, n - earlier.get(what, 0))
    if restarted and not any(ran.values()):
        return MutantReceipt(
            ran, after.schema, f"{', '.join(restarted)} was restarted before its receipt was read"
        )
    return MutantReceipt(ran, after.schema)


def _pid(stack: Stack, name: str) -> int | None:
    process = stack.processes.get(name)
    return getattr(process, "pid", None)
