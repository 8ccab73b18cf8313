"""Starts of the embedded stack that fail: one clear line each, and nothing left behind."""

from __future__ import annotations

import os
import socket
import time

import pytest

from overbooked.errors import ConfigError, StackError
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from tests.stacks.conftest import folders, service, system


async def failed_start(settings: StackSettings, **changes: object) -> StackError:
    before = folders(settings)
    with pytest.raises(StackError) as caught:
        await EmbeddedStack(system(**changes), settings).start()
    assert folders(settings) == before
    return caught.value


async def test_a_service_that_dies_at_once_is_named_with_its_last_words(settings: StackSettings) -> None:
    command = ["{python}", "-c", "print('the cellar is flooded'); raise SystemExit(7)"]
    started = time.monotonic()
    error = await failed_start(settings, database=None, redis=None, service=service(app={"command": command}))
    assert error.part == "app"
    assert "app ended with exit code 7" in str(error)
    assert "the cellar is flooded" in str(error)
    assert error.log == ("the cellar is flooded",)
    assert time.monotonic() - started < settings.health_timeout_s


async def test_a_command_that_does_not_exist_is_named(settings: StackSettings) -> None:
    error = await failed_start(
        settings, database=None, redis=None, service=service(app={"command": ["no-such-command"]})
    )
    assert "no-such-command: " in str(error)


async def test_failing_migrations_are_shown(settings: StackSettings) -> None:
    database = {"migrate": ["{python}", "-c", "raise SystemExit('revision 3 is missing')"]}
    error = await failed_start(settings, database=database)
    assert error.part == "migrate"
    assert "the migrations of standin failed" in str(error)
    assert "revision 3 is missing" in str(error)


async def test_an_occupied_port_is_named(settings: StackSettings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        error = await failed_start(settings.model_copy(update={"ports": {"postgres": port}}))
    assert str(error) == f"port {port} for postgres is occupied; free it or change [stack.ports] postgres"


async def test_an_occupied_port_of_a_link_is_named(settings: StackSettings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        error = await failed_start(settings.model_copy(update={"ports": {"client->app": port}}))
    assert f"the relay of client->app cannot listen on 127.0.0.1:{port}" in str(error)


async def test_a_full_disk_is_one_clear_line(settings: StackSettings) -> None:
    error = await failed_start(settings.model_copy(update={"min_free_mb": 10**9}))
    assert str(error).startswith("no disk space: ")
    assert error.part == "disk"


async def test_a_stack_that_is_not_up_in_time_is_given_up(settings: StackSettings) -> None:
    hasty = settings.model_copy(update={"start_timeout_s": 0.3})
    sleeper = ["{python}", "-c", "import time; time.sleep(60)"]
    error = await failed_start(hasty, database=None, redis=None, service=service(app={"command": sleeper}))
    assert "the stack was not up within 0.3 s" in str(error)


async def test_a_mutant_of_a_system_without_mutants_is_refused(settings: StackSettings) -> None:
    plain = system(service=service(), redis=None, database=None, mutants=None)
    with pytest.raises(ConfigError, match=r"standin describes no mutants, so SYS-03\.1"):
        await EmbeddedStack(plain, settings, mutant="SYS-03.1").start()


async def test_a_placeholder_without_a_value_is_refused(settings: StackSettings) -> None:
    plain = system(service=service(app={"env": {"R": "{redis_url}"}}), redis=None, database=None)
    with pytest.raises(ConfigError, match=r"\{redis_url\}.*has no value here"):
        await EmbeddedStack(plain, settings).start()


async def test_an_unstarted_stack_says_so(settings: StackSettings) -> None:
    with pytest.raises(StackError, match="has not been started"):
        await EmbeddedStack(system(), settings).heal()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give PostgreSQL to another user")
async def test_an_unknown_postgres_user_is_a_configuration_error(settings: StackSettings) -> None:
    with pytest.raises(ConfigError, match="postgres_user = 'nobody-here' does not exist"):
        await EmbeddedStack(system(), settings.model_copy(update={"postgres_user": "nobody-here"})).start()
