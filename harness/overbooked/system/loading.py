"""Binds a descriptor to a running stack: the result is the `System` of a scenario."""

from __future__ import annotations

import random

from overbooked.capabilities import check
from overbooked.descriptor import Descriptor
from overbooked.part_names import PartsByName
from overbooked.stacks.base.protocol import Stack
from overbooked.system.system import IdentitySource, System
from overbooked.targets.adapter import Adapter, AdapterContext
from overbooked.targets.client import Client, ClientTimeouts


async def bind(
    stack: Stack,
    descriptor: Descriptor,
    *,
    seed: int,
    identities: IdentitySource,
    patience: ClientTimeouts | None = None,
    adapter: Adapter | None = None,
) -> System:
    """Bind the system of a descriptor to a running stack.

    Args:
        stack: started and healthy.
        seed: the scenario's; idempotency keys and the adapter's random values are derived from it.
        identities: source of new customers.
        patience: how long to wait for an answer.
        adapter: the adapter; default the one that the descriptor names.

    Raises:
        ConfigError: the adapter cannot be loaded or claims verbs it does not have.
        TargetError: the adapter could not connect.
    """
    adapter = adapter or descriptor.load_adapter()
    check(adapter)
    client = Client(doors(stack), patience or ClientTimeouts())
    try:
        await adapter.connect(
            AdapterContext(
                send=client,
                urls=PartsByName(stack.urls, "the adapter's urls"),
                dsns=stack.dsns,
                settings=descriptor.adapter_settings,
                seed=seed,
            )
        )
    except BaseException:
        await client.close()
        raise
    return System(adapter, client, identities, random.Random(f"{seed}/keys"))


def doors(stack: Stack) -> list[str]:
    """Return the base URLs of the service's replicas in order, each through its link `client->app`."""
    urls = [stack.client_url]
    for n in range(2, len(stack.replicas) + 1):
        link = stack.links.get(f"client->app-{n}")
        if link is not None:
            host, port = link.address
            urls.append(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    return urls
