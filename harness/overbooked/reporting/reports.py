"""Every report of a run, in its folder."""

from __future__ import annotations

from pathlib import Path

from overbooked.reporting.allure import write_allure
from overbooked.reporting.junit import junit_xml
from overbooked.reporting.markdown import scorecard_markdown
from overbooked.reporting.run_folder import RunFolder
from overbooked.verdicts.policy import Decision
from overbooked.verdicts.scorecard import Scorecard

CATEGORIES = Path("allure/categories.json")


def write_reports(
    folder: RunFolder,
    scorecard: Scorecard,
    decision: Decision | None = None,
    *,
    assets: Path | None = None,
    latest: bool = True,
) -> None:
    """Write summary.md, junit.xml and allure-results/ beside the scorecard, and publish that.

    `latest` moves last and only to a complete run, so it never points at half a report.

    Args:
        folder: of the run.
        scorecard: of the run.
        decision: of the gate policy.
        assets: the project's `reports` folder, for what it has to say to Allure.
        latest: this is the run that has just ended; an older one is rendered again without.

    Raises:
        CannotWrite: naming the file and why.
    """
    categories = assets / CATEGORIES if assets else None
    folder.write(scorecard)
    folder.write_text("junit.xml", junit_xml(scorecard))
    folder.write_text("summary.md", scorecard_markdown(scorecard, decision))
    write_allure(
        scorecard,
        folder.path / "allure-results",
        categories=categories if categories and categories.is_file() else None,
    )
    if latest:
        folder.publish(scorecard)
