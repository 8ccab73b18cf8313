"""What came of replays: how each compares with its bundle, the exit code and the words for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overbooked.bundles.schema import Bundle
from overbooked.errors import ExitCode
from overbooked.verdicts.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of one replay.

    Args:
        verdict: of the bundle's clause.
        reason: why it is not closed.
        trace_parts: where the trace parts from the recorded one; "" where it is the same.
        message_parts: what is said otherwise of the finding; "" where it is the same.
    """

    verdict: Verdict
    reason: str = ""
    trace_parts: str = ""
    message_parts: str = ""

    @property
    def as_recorded(self) -> bool:
        return self.verdict is Verdict.OPEN and not self.trace_parts and not self.message_parts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of all replays: the exit code, and what is said of it."""

    code: ExitCode
    lines: tuple[str, ...]
    replays: tuple[Replay, ...] = ()

    def as_dict(self, file: Path, changed: Sequence[str]) -> Mapping[str, Any]:
        """JSON-compatible."""
        return {
            "bundle": str(file),
            "replays": len(self.replays),
            "as_recorded": sum(one.as_recorded for one in self.replays),
            "open": sum(one.verdict is Verdict.OPEN for one in self.replays),
            "closed": sum(one.verdict is Verdict.CLOSED for one in self.replays),
            "no_longer_fits": changed,
            "exit_code": int(self.code),
            "each": [
                {
                    "verdict": one.verdict.value,
                    "reason": one.reason,
                    "same_trace": not one.trace_parts,
                    "trace": one.trace_parts,
                    "message": one.message_parts,
                }
                for one in self.replays
            ],
        }


def concluded(bundle: Bundle, replays: Sequence[Replay]) -> Outcome:
    """The exit code and the words for a number of replays: open goes before inconclusive."""
    if not replays:
        return Outcome(ExitCode.INCONCLUSIVE, ("nothing was run: the scenario does not come to its race",))
    as_recorded = sum(one.as_recorded for one in replays)
    opened = [one for one in replays if one.verdict is Verdict.OPEN]
    doubtful = [one for one in replays if one.verdict not in (Verdict.OPEN, Verdict.CLOSED)]
    lines = [
        f"not as recorded: {part}"
        for part in dict.fromkeys(p for one in opened for p in (one.trace_parts, one.message_parts) if p)
    ]
    lines += dict.fromkeys(f"inconclusive: {one.reason}" for one in doubtful)
    if opened:
        lines.append(
            f"{bundle.subject} is open, {as_recorded} of {len(replays)} as recorded: {bundle.expected.what}"
        )
        return Outcome(ExitCode.OPEN, tuple(lines), tuple(replays))
    if doubtful:
        lines.append(f"{bundle.subject} is inconclusive: {len(doubtful)} of {len(replays)} replays")
        return Outcome(ExitCode.INCONCLUSIVE, tuple(lines), tuple(replays))
    kind = bundle.recording.kind
    lines.append(f"{bundle.subject} is closed under this {kind}: not found any more: {bundle.expected.what}")
    if kind == "schedule":
        lines.append(f"other orders may still show it: {bundle.search}")
    return Outcome(ExitCode.SATISFIED, tuple(lines), tuple(replays))
