"""No socket or file is left unclosed, because a ResourceWarning may be an error in a user's session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# One scenario on the bundled system, in a session that turns every warning into an error.
PROGRAM = """
import asyncio, gc, sys, warnings
from pathlib import Path
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.base.settings import StackSettings
from overbooked.descriptor import load
from overbooked.system.loading import bind
from overbooked.journeys.identities import People

left = []
sys.unraisablehook = lambda raised: left.append(repr(raised.exc_value))
warnings.simplefilter("error", ResourceWarning)

async def main():
    descriptor = load(Path("reference_system/target/system.toml"))
    stack = EmbeddedStack(descriptor, StackSettings.model_validate({"replicas": 1}))
    try:
        await stack.start()
        system = await bind(stack, descriptor, seed=1, identities=People(1))
        (ana,) = await system.customers(1)
        assert (await system.do(ana.books(await system.open_slot()))).ok
        await system.close()
        app = stack.processes["app"]
        app.kill()
        await app.start()
        await stack.renew(mutant=None)
    finally:
        await stack.close()

asyncio.run(main())
gc.collect()
print(left)
"""


def test_a_stack_that_is_started_used_renewed_and_closed_leaves_nothing_open() -> None:
    said = subprocess.run(
        [sys.executable, "-X", "dev", "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert said.stdout.splitlines()[-1:] == ["[]"], said.stdout + said.stderr
