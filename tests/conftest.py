"""Options and hooks that pytest reads only from the top-level conftest."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# Without deadlines, because examples take longer on a busy machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line per skip reason, regardless of the number of tests with it."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    for reason, times in reasons.items():
        terminalreporter.write_line(f"SKIPPED [{times}] {reason}")
