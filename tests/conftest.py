"""What pytest takes from the top of the tests only."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# No test is judged by its time: on a busy machine an example takes as long as it takes.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each reason to skip, however many tests have it: what is missing is missing once."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    for reason, times in reasons.items():
        terminalreporter.write_line(f"SKIPPED [{times}] {reason}")
