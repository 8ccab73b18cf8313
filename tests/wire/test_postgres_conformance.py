"""Others' tests are the judges: asyncpg's own suite passes through the gate as it passes without.

Minutes long and fetches the suite, so it runs only when asked for: `pytest -m conformance`.
"""

from __future__ import annotations

import pytest

from tests.wire.conformance import asyncpg_suite

RUN_TIMEOUT_S = 3600


@pytest.mark.conformance
@pytest.mark.timeout(RUN_TIMEOUT_S)
def test_asyncpgs_own_suite_passes_the_same_tests_through_the_gate(request: pytest.FixtureRequest) -> None:
    if "conformance" not in (request.config.getoption("-m") or ""):
        pytest.skip("runs for a quarter of an hour: ask with -m conformance")
    assert asyncpg_suite.main(["--runs", "1"]) == 0
