"""What a run with a mutant came to: found, not found, or never at work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from overbooked.catalog import Mutant
from overbooked.errors import ExitCode
from overbooked.runs.mutant_receipts import MutantReceipt
from overbooked.runs.result import TrialResult
from overbooked.verdicts.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is said of the mutant, the exit code that it asks for, and whether all is as it should be.

    `found` is true as well where nothing that the mutant breaks was asked.
    """

    sentence: str
    code: ExitCode
    found: bool = False


def concluded(mutant: Mutant, asked: Collection[str], results: Sequence[TrialResult]) -> Conclusion:
    """Whether the mutant opened the clauses that it must break.

    Args:
        mutant: as the catalog has it.
        asked: the clauses that were asked in the run.
        results: of the trials on the mutant.
    """
    name = mutant.name
    expected = [clause for clause in mutant.breaks if clause in asked]
    if not expected:
        return Conclusion(
            f"mutant {name}: no clause that it breaks was asked; it breaks {', '.join(mutant.breaks)}",
            ExitCode.SATISFIED,
            found=True,
        )
    opened = _clauses(results, Verdict.OPEN)
    found = [clause for clause in expected if clause in opened]
    survived = [
        clause
        for clause in expected
        if clause not in opened and clause not in _clauses(results, Verdict.INCONCLUSIVE)
    ]
    if found and all(map(without_effect, results)):
        return Conclusion(
            f"mutant {name} not found: {_listed(found)} open although its code never ran",
            ExitCode.INCONCLUSIVE,
        )
    if found:
        rest = f"; not in {', '.join(survived)}" if survived else ""
        return Conclusion(f"mutant {name} found: {_listed(found)} open{rest}", ExitCode.OPEN, found=True)
    if survived:
        return Conclusion(
            f"mutant not found: {name} survives, {_listed(survived)} not open{_at_work(results)}",
            ExitCode.OPEN,
        )
    reasons = dict.fromkeys(
        each.reason.partition(";")[0]
        for result in results
        for each in result.results
        if each.clause in expected and each.verdict is Verdict.INCONCLUSIVE
    )
    return Conclusion(
        f"mutant {name} not judged: {'; '.join(reasons) or 'none of its clauses was judged'}",
        ExitCode.INCONCLUSIVE,
    )


def receipts_of(results: Sequence[TrialResult]) -> list[MutantReceipt]:
    """The receipts that trials on a mutant have brought."""
    return [MutantReceipt.from_dict(each.stack["receipt"]) for each in results if "receipt" in each.stack]


def without_effect(result: TrialResult) -> bool:
    """Whether nothing of the mutant was at work during a trial, as its receipt says."""
    return any(receipt.without_effect for receipt in receipts_of([result]))


def _at_work(results: Sequence[TrialResult]) -> str:
    receipts = receipts_of(results)
    ran = sum(sum(receipt.ran.values()) for receipt in receipts)
    if ran:
        return f" although its code ran {ran:,} {'time' if ran == 1 else 'times'}"
    unknown = next((receipt.unknown for receipt in receipts if receipt.unknown), "")
    return f"; whether its code ran is not known: {unknown}" if unknown else ""


def _clauses(results: Sequence[TrialResult], verdict: Verdict) -> set[str]:
    return {each.clause for result in results for each in result.results if each.verdict is verdict}


def _listed(clauses: Sequence[str]) -> str:
    return f"{', '.join(clauses)} {'is' if len(clauses) == 1 else 'are'}"
