from __future__ import annotations

import json

from overbooked.verdicts.evidence import ClauseResult
from tests.verdicts.samples import CLOSED, OPEN, result


def test_a_result_survives_the_way_from_a_worker():
    for verdict in (OPEN, CLOSED):
        sent = result("T-1.c", verdict, notes={"odds": 0.75})
        assert ClauseResult.from_dict(json.loads(json.dumps(sent.as_dict()))) == sent
