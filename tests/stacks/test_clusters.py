"""Data directories are created once, cached by a key of their inputs, and copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overbooked.errors import ConfigError, StackError
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded import clusters
from overbooked.stacks.embedded.clusters import ClusterCache
from overbooked.stacks.processes.shared_memory import forget_segment
from overbooked.stacks.servers.binaries import PostgresPrograms, prepare_postgres
from tests.stacks.conftest import SYSTEM, system


@pytest.fixture
def programs(settings: StackSettings) -> PostgresPrograms:
    assert settings.cache_dir
    settings.cache_dir.mkdir(exist_ok=True)
    return prepare_postgres(settings, settings.cache_dir)


@pytest.fixture
def cache(tmp_path: Path) -> ClusterCache:
    return ClusterCache(tmp_path / "clusters", PostgresPrograms(tmp_path, "wheel-1", None))


def keep(cache: ClusterCache, key: str) -> None:
    draft = cache.draft()
    (draft / "data").mkdir()
    (draft / "data" / "PG_VERSION").write_text("18")
    cache.keep(draft, key, "secret of " + key)


# -- keeping ------------------------------------------------------------------------------------


def test_what_was_kept_is_found_with_its_password(cache: ClusterCache, tmp_path: Path) -> None:
    assert cache.find("one") is None
    keep(cache, "one")
    found = cache.find("one")
    assert found is not None
    assert found.password == "secret of one"
    assert (found.data / "PG_VERSION").read_text() == "18"
    assert (tmp_path / "clusters" / "one" / "secret.json").stat().st_mode & 0o077 == 0


def test_the_least_recently_used_go_first(cache: ClusterCache, tmp_path: Path) -> None:
    for n in range(6):
        keep(cache, f"old-{n}")
        os.utime(tmp_path / "clusters" / f"old-{n}", (n, n))
    assert cache.find("old-0")  # used now
    keep(cache, "new")
    assert cache.find("new")
    assert cache.find("old-0")
    assert cache.find("old-1") is None


def test_a_draft_that_was_left_is_removed(cache: ClusterCache, tmp_path: Path) -> None:
    left = cache.draft()
    again = cache.draft()
    assert not left.exists()
    assert again.exists()


async def test_a_copy_that_fails_says_why(cache: ClusterCache, tmp_path: Path) -> None:
    keep(cache, "one")
    found = cache.find("one")
    assert found is not None
    with pytest.raises(StackError, match="template cannot be copied to"):
        await cache.copy(found, tmp_path / "nowhere" / "deep")


def test_a_copy_for_want_of_space_says_so(tmp_path: Path) -> None:
    said = "cp: error writing 'x': No space left on device"
    assert clusters._copy_failed(said, tmp_path).startswith("no disk space")
    assert "cp gave no reason" in clusters._copy_failed("", tmp_path)


# -- the key ------------------------------------------------------------------------------------


def test_the_key_changes_with_whatever_went_in(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.sql").write_text("one")
    database = {**SYSTEM["database"], "migrations": ["m"]}

    def key(release: str = "wheel-1", **changes: object) -> str | None:
        cache = ClusterCache(tmp_path / "clusters", PostgresPrograms(tmp_path, release, None))
        return cache.migrated_key(system(root=tmp_path, database={**database, **changes}))

    first = key()
    assert first == key()
    keys = {first, key(release="wheel-2"), key(app="other_role"), key(migrate=["other"])}
    (tmp_path / "m" / "1.sql").write_text("two")
    keys.add(key())
    (tmp_path / "m" / "2.sql").write_text("more")
    keys.add(key())
    (tmp_path / "m" / "2.pyc").write_text("compiled")
    keys.add(key())
    assert len(keys) == 6


def test_without_named_migrations_there_is_no_key(cache: ClusterCache) -> None:
    assert cache.migrated_key(system(database={"migrate": ["x"]})) is None
    assert cache.migrated_key(system(database=None)) is None


def test_named_migrations_must_exist(cache: ClusterCache) -> None:
    with pytest.raises(ConfigError, match=r"\[database\] migrations names .*nowhere, which does not exist"):
        cache.migrated_key(system(database={"migrate": ["x"], "migrations": ["nowhere"]}))


# -- initdb -------------------------------------------------------------------------------------


async def test_a_fresh_cluster_is_made_once(ground: Path, programs: PostgresPrograms) -> None:
    cache = ClusterCache(ground / "clusters", programs)
    first = await cache.fresh()
    assert (first.data / "PG_VERSION").exists()
    made = (first.data / "PG_VERSION").stat().st_mtime_ns
    again = await cache.fresh()
    assert again == first
    assert (again.data / "PG_VERSION").stat().st_mtime_ns == made
    assert "trust" not in (first.data / "pg_hba.conf").read_text().split("METHOD")[-1]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#!/bin/sh\necho no locale here\nexit 1\n", "initdb failed\n    no locale here"),
        (None, "initdb cannot be run"),
    ],
)
async def test_an_initdb_that_fails_is_shown(ground: Path, script: str | None, said: str) -> None:
    folder = ground / "broken"
    folder.mkdir(exist_ok=True)
    if script:
        (folder / "initdb").write_text(script)
        (folder / "initdb").chmod(0o755)
    else:
        (folder / "initdb").unlink(missing_ok=True)
    cache = ClusterCache(ground / "broken-clusters", PostgresPrograms(folder, "broken", None))
    with pytest.raises(StackError) as caught:
        await cache.fresh()
    assert said in str(caught.value)


# -- System V shared memory ---------------------------------------------------------------------


def test_no_segment_is_touched_without_proof_that_it_is_ours(tmp_path: Path) -> None:
    assert not forget_segment(tmp_path)
    (tmp_path / "postmaster.pid").write_text("1\n/data\n0\n5432\n\n127.0.0.1\n  1  0\n")
    assert not forget_segment(tmp_path)
    (tmp_path / "postmaster.pid").write_text("nonsense")
    assert not forget_segment(tmp_path)
