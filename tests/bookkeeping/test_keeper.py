"""A worker's stacks are renewed where they can be, replaced where they must be, and always closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.errors import StackError
from overbooked.plugin.stack_manager import StackKeeper
from overbooked.runs.plan import Variant

from .toy import ToyStack, factory


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    (tmp_path / "diary").touch()
    return tmp_path / "diary"


def lines(diary: Path) -> list[str]:
    return diary.read_text().splitlines()


HEALTHY = Variant("healthy", None, ())
MUTANT = Variant("SYS-03.1", "SYS-03.1", ())
SMALL = Variant("canary", "SYS-03.1", (), replicas=1)


async def test_the_same_variant_gets_the_same_stack(diary: Path) -> None:
    keeper = StackKeeper(factory(diary))
    assert await keeper.at(HEALTHY) is await keeper.at(HEALTHY)


async def test_another_variant_of_the_same_shape_renews_it(diary: Path) -> None:
    keeper = StackKeeper(factory(diary))
    assert await keeper.at(HEALTHY) is await keeper.at(MUTANT)
    assert lines(diary) == ["start None x2", "renew SYS-03.1"]


async def test_a_mutant_is_renewed_for_each_repetition(diary: Path) -> None:
    keeper = StackKeeper(factory(diary))
    for repetition in (0, 0, 1, 1, 2):
        await keeper.at(MUTANT, repetition)
    assert lines(diary) == ["start SYS-03.1 x2", "renew SYS-03.1", "renew SYS-03.1"]


async def test_what_is_healthy_is_used_again_and_again(diary: Path) -> None:
    keeper = StackKeeper(factory(diary))
    for repetition in (0, 1, 2):
        await keeper.at(HEALTHY, repetition)
    assert lines(diary) == ["start None x2"]


async def test_another_shape_replaces_it(diary: Path) -> None:
    keeper = StackKeeper(factory(diary))
    await keeper.at(SMALL)
    await keeper.at(MUTANT)
    assert lines(diary) == ["start SYS-03.1 x1", "close", "start SYS-03.1 x2"]


async def test_a_renewal_that_fails_leaves_no_stack(diary: Path) -> None:
    class Stubborn(ToyStack):
        async def renew(self, *, mutant: str | None) -> None:
            raise StackError(f"cannot become {mutant}")

    keeper = StackKeeper(lambda variant: Stubborn(diary, variant.mutant))
    await keeper.at(HEALTHY)
    with pytest.raises(StackError):
        await keeper.at(MUTANT)
    assert lines(diary)[-1] == "close"
    await keeper.at(HEALTHY)
    assert lines(diary)[-1] == "start None x2"


async def test_a_stack_that_did_not_start_is_closed(diary: Path) -> None:
    keeper = StackKeeper(factory(diary))
    with pytest.raises(StackError):
        await keeper.at(Variant("SYS-01.1", "SYS-01.1", ()))
    assert lines(diary) == ["start SYS-01.1 x2", "close"]


async def test_closing_twice_closes_once(diary: Path) -> None:
    keeper = StackKeeper(factory(diary))
    await keeper.at(HEALTHY)
    await keeper.close()
    await keeper.close()
    assert lines(diary).count("close") == 1


async def test_a_factory_may_be_a_coroutine_function(diary: Path) -> None:
    async def make(variant: Variant) -> ToyStack:
        return ToyStack(diary, variant.mutant)

    assert (await StackKeeper(make).at(MUTANT)).mutant == "SYS-03.1"
