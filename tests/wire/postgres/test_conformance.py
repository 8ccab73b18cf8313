"""Third-party test suites have the same results through the gate as without it.

Minutes long, and they are fetched, so they run only when asked for: `pytest -m conformance`.
"""

from __future__ import annotations

import pytest

from tests.wire.conformance import asyncpg_suite, psycopg_suite

RUN_TIMEOUT_S = 3600


@pytest.mark.conformance
@pytest.mark.timeout(RUN_TIMEOUT_S)
def test_asyncpgs_own_suite_passes_the_same_tests_through_the_gate(request: pytest.FixtureRequest) -> None:
    _asked_for(request)
    assert asyncpg_suite.main(["--runs", "1"]) == 0


@pytest.mark.conformance
@pytest.mark.timeout(RUN_TIMEOUT_S)
@pytest.mark.parametrize("suite", psycopg_suite.SUITES)
def test_psycopg_passes_the_same_tests_through_the_gate(request: pytest.FixtureRequest, suite: str) -> None:
    _asked_for(request)
    assert psycopg_suite.main(["--suites", suite, "--runs", "1"]) == 0


def _asked_for(request: pytest.FixtureRequest) -> None:
    if "conformance" not in (request.config.getoption("-m") or ""):
        pytest.skip("runs for a quarter of an hour: ask with -m conformance")
