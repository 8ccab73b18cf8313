"""From a descriptor and a running stack to a `System` that scenarios can talk to."""

from __future__ import annotations

import random

from overbooked.descriptor import Descriptor
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.adapter import Adapter, Surroundings
from overbooked.targets.claims import hold_to_claims
from overbooked.targets.client import Client, Patience
from overbooked.targets.system import Crowd, System


async def bind(
    stack: Stack,
    descriptor: Descriptor,
    *,
    seed: int,
    people: Crowd,
    patience: Patience | None = None,
    adapter: Adapter | None = None,
) -> System:
    """Bind the system a descriptor names to a running stack.

    Args:
        stack: started and healthy.
        seed: of the scenario; idempotency keys and whatever the adapter draws follow from it.
        people: where new customers come from.
        patience: when to give an answer up.
        adapter: default the one the descriptor names.

    Raises:
        ConfigError: the adapter cannot be loaded or claims verbs it does not have.
        TargetFailed: the adapter could not connect.
    """
    adapter = adapter or descriptor.load_adapter()
    hold_to_claims(adapter)
    client = Client(doors(stack), patience or Patience())
    try:
        await adapter.connect(
            Surroundings(
                send=client,
                urls=stack.urls,
                dsns=stack.dsns,
                settings=descriptor.adapter_settings,
                seed=seed,
            )
        )
    except BaseException:
        await client.close()
        raise
    return System(adapter, client, people, random.Random(f"{seed}/keys"))


def doors(stack: Stack) -> list[str]:
    """The base URLs of the service's replicas in order, each through its link `client->app`."""
    urls = [stack.client_url]
    for n in range(2, len(stack.replicas) + 1):
        link = stack.links.get(f"client->app-{n}")
        if link is not None:
            host, port = link.address
            urls.append(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    return urls
