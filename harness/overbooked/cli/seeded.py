"""The outcome of a run with a mutant: found, not found, or without effect."""

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
    """The sentence about the mutant, its exit code, and whether it was found.

    `found` is also true if no clause that the mutant breaks was requested.
    """

    sentence: str
    code: ExitCode
    found: bool = False


def concluded(mutant: Mutant, asked: Collection[str], results: Sequence[TrialResult]) -> Conclusion:
    """Conclude whether the mutant opened the clauses that it must break.

    Args:
        mutant: the mutant in the catalog.
        asked: the requested clauses of the run.
        results: the results of the trials on the mutant.
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
    """Return the receipts of trials on a mutant."""
    return [MutantReceipt.from_dict(each.stack["receipt"]) for each in results if "receipt" in each.stack]


def without_effect(result: TrialResult) -> bool:
    """Return whether the mutant was inactive during a trial, according to its receipt."""
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
