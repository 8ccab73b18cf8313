from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overbooked.capabilities import known
from overbooked.descriptor import Descriptor
from overbooked.errors import ConfigError
from overbooked.journeys.identities import People
from overbooked.stacks.base.protocol import Stack
from overbooked.system.loading import bind, doors
from overbooked.targets.adapter import AdapterContext, HttpRequest
from overbooked.targets.errors import TargetError
from tests.targets.town import Town, TownHall

DESCRIPTOR = Descriptor.model_validate(
    {"name": "town", "root": Path(), "adapter": {"class": "tests.targets.town:TownHall", "mayor": "ana"}}
)


def stack(url: str, *others: tuple[str, int], replicas: int = 1) -> Any:
    links = {f"client->app-{n}": SimpleNamespace(address=address) for n, address in enumerate(others, 2)}
    return SimpleNamespace(
        client_url=url,
        links=links,
        urls={"app": url},
        dsns={"observer": "postgresql://o"},
        replicas=["app", "app-2", "app-3"][:replicas],
    )


async def test_the_adapter_a_descriptor_names_is_connected_to_the_stack() -> None:
    async with Town() as town:
        system = await bind(stack(town.url), DESCRIPTOR, seed=4, identities=People(4))
        given: AdapterContext = system.adapter.surroundings  # type: ignore[attr-defined]
        assert (given.urls, given.dsns) == ({"app": town.url}, {"observer": "postgresql://o"})
        assert (given.settings, given.seed) == ({"mayor": "ana"}, 4)
        (ana,) = await system.customers(1)
        assert (await system.do(ana.books(await system.open_slot()))).ok
        await system.close()


async def test_the_same_seed_gives_the_same_keys() -> None:
    async with Town() as town:
        keys = []
        for seed in (4, 4, 5):
            system = await bind(stack(town.url), DESCRIPTOR, seed=seed, identities=People(1))
            (ana,) = await system.customers(1)
            keys.append([ana.new_key(), ana.new_key()])
            await system.close()
    assert keys[0] == keys[1] != keys[2]
    assert keys[0][0] != keys[0][1]


async def test_an_adapter_that_cannot_connect_leaves_nothing_open() -> None:
    class Deaf(TownHall):
        async def connect(self, surroundings: AdapterContext) -> None:
            self.surroundings = surroundings
            raise TargetError("nobody is in")

    deaf = Deaf()
    with pytest.raises(TargetError, match="nobody is in"):
        await bind(stack("http://127.0.0.1:1"), DESCRIPTOR, seed=1, identities=People(1), adapter=deaf)
    with pytest.raises(RuntimeError, match="closed"):
        await deaf.surroundings.send(HttpRequest("GET", "/"))


async def test_an_adapter_that_lies_is_not_connected() -> None:
    class Liar(TownHall):
        capabilities = frozenset(known().values())

    with pytest.raises(ConfigError, match="claims what it does not have"):
        await bind(stack("http://127.0.0.1:1"), DESCRIPTOR, seed=1, identities=People(1), adapter=Liar())


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        (1, ["http://127.0.0.1:80"]),
        (2, ["http://127.0.0.1:80", "http://127.0.0.1:81"]),
        (3, ["http://127.0.0.1:80", "http://127.0.0.1:81", "http://[::1]:82"]),
    ],
)
def test_each_replica_is_reached_through_its_own_link(replicas: int, expected: list[str]) -> None:
    made: Stack = stack("http://127.0.0.1:80", ("127.0.0.1", 81), ("::1", 82), replicas=replicas)
    assert doors(made) == expected


def test_a_replica_without_a_link_is_left_out() -> None:
    assert doors(stack("http://127.0.0.1:80", replicas=2)) == ["http://127.0.0.1:80"]
