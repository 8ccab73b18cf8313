"""A payment with a fault at each commit and each call to the provider, before and after the effect."""

from __future__ import annotations

import pytest

from tests.reference_system.booking.money.judging import struck_purchase
from tests.reference_system.booking.money.strikes import Harm, Strike, boundaries
from tests.reference_system.booking.money.till import BANK, CARD, DECLINED, Till

HOW = {"card": CARD, "declined card": DECLINED, "bank": BANK}
# Boundaries of a payment without faults; statements are left out, since a failure rolls back as a lost
# commit does.
BOUNDARIES = {"card": 5, "declined card": 3, "bank": 3}


@pytest.mark.parametrize("how", HOW)
async def test_a_payment_crosses_as_many_boundaries_as_are_struck(till: Till, how: str) -> None:
    begun = await till.begin()
    crossed = await boundaries(till.house.runtime, lambda: till.pay(begun, how=HOW[how]), statements=False)
    assert len(crossed) == BOUNDARIES[how], crossed


@pytest.mark.parametrize(
    ("how", "harm"),
    [*(("card", harm) for harm in Harm), ("declined card", Harm.KILLED), ("bank", Harm.KILLED)],
    ids=lambda value: value.value if isinstance(value, Harm) else value,
)
async def test_a_struck_payment_comes_to_one_end(till: Till, how: str, harm: Harm) -> None:
    for n in range(BOUNDARIES[how]):
        for after in (False, True):
            strike = Strike(n, harm, after)
            # The provider's event arrives alternately before and after the client's repeat.
            await struck_purchase(till, HOW[how], strike, events_first=(n + after) % 2 == 0, statements=False)
