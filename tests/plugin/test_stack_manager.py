"""A worker's stacks are renewed if possible, otherwise replaced, and always closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.errors import StackError
from overbooked.plugin.stack_manager import StackManager
from overbooked.runs.plan import Variant

from .toy_stack import ToyStack, factory


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
    manager = StackManager(factory(diary))
    assert await manager.get(HEALTHY) is await manager.get(HEALTHY)


async def test_another_variant_of_the_same_shape_renews_it(diary: Path) -> None:
    manager = StackManager(factory(diary))
    assert await manager.get(HEALTHY) is await manager.get(MUTANT)
    assert lines(diary) == ["start None x2", "renew SYS-03.1"]


async def test_a_mutant_is_renewed_for_each_repetition(diary: Path) -> None:
    manager = StackManager(factory(diary))
    for repetition in (0, 0, 1, 1, 2):
        await manager.get(MUTANT, repetition)
    assert lines(diary) == ["start SYS-03.1 x2", "renew SYS-03.1", "renew SYS-03.1"]


async def test_what_is_healthy_is_used_again_and_again(diary: Path) -> None:
    manager = StackManager(factory(diary))
    for repetition in (0, 1, 2):
        await manager.get(HEALTHY, repetition)
    assert lines(diary) == ["start None x2"]


async def test_another_shape_replaces_it(diary: Path) -> None:
    manager = StackManager(factory(diary))
    await manager.get(SMALL)
    await manager.get(MUTANT)
    assert lines(diary) == ["start SYS-03.1 x1", "close", "start SYS-03.1 x2"]


async def test_a_renewal_that_fails_leaves_no_stack(diary: Path) -> None:
    class Stubborn(ToyStack):
        async def renew(self, *, mutant: str | None) -> None:
            raise StackError(f"cannot become {mutant}")

    manager = StackManager(lambda variant: Stubborn(diary, variant.mutant))
    await manager.get(HEALTHY)
    with pytest.raises(StackError):
        await manager.get(MUTANT)
    assert lines(diary)[-1] == "close"
    await manager.get(HEALTHY)
    assert lines(diary)[-1] == "start None x2"


async def test_a_stack_that_did_not_start_is_closed(diary: Path) -> None:
    manager = StackManager(factory(diary))
    with pytest.raises(StackError):
        await manager.get(Variant("SYS-01.1", "SYS-01.1", ()))
    assert lines(diary) == ["start SYS-01.1 x2", "close"]


async def test_closing_twice_closes_once(diary: Path) -> None:
    manager = StackManager(factory(diary))
    await manager.get(HEALTHY)
    await manager.close()
    await manager.close()
    assert lines(diary).count("close") == 1


async def test_a_factory_may_be_a_coroutine_function(diary: Path) -> None:
    async def make(variant: Variant) -> ToyStack:
        return ToyStack(diary, variant.mutant)

    assert (await StackManager(make).get(MUTANT)).mutant == "SYS-03.1"
