"""The base classes of stacks: links and folder of any stack, life cycle of a stack that starts its parts."""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, Self, TypeVar

from overbooked.concurrency import run_all
from overbooked.descriptor import Descriptor
from overbooked.errors import StackError
from overbooked.stacks.base.links import LinkSet, replica_names
from overbooked.stacks.base.part_failures import (
    MonitoredPart,
    failure_of,
    report_gate_errors,
    report_root_cause,
)
from overbooked.stacks.base.paths import explain_full_disk
from overbooked.stacks.base.protocol import Process
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.processes import atexit_guard as guard
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.servers.toxiproxy_server import at_toxiproxy
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.wire.link import RelayLink

DATABASE_LINK = "app->postgres"


class PartProcess(Process, MonitoredPart, Protocol):
    """A process or container that the stack itself started."""

    @property
    def paused(self) -> bool: ...


PartT = TypeVar("PartT", bound=PartProcess)


class StackBase(ABC):
    """A stack's links, Toxiproxy and folder; use it as `async with ... as stack`.

    Args:
        descriptor: the system under test.
        settings: the `[stack]` table.
    """

    def __init__(self, descriptor: Descriptor, settings: StackSettings) -> None:
        self.id = ""
        self.versions: dict[str, str] = {}
        self.toxiproxy_url = ""
        self._descriptor = descriptor
        self._settings = settings
        self._ownership: Ownership | None = None
        self._links: LinkSet | None = None

    @property
    def links(self) -> Mapping[str, RelayLink]:
        return self._links.links if self._links else {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @abstractmethod
    async def start(self) -> None:
        """Start the stack, or connect to the running system."""

    async def close(self) -> None:
        """End everything that this stack started and remove its folder; idempotent."""
        self._dispose()

    @abstractmethod
    def _dispose(self) -> None:
        """Implement `close` without awaiting, so that no cancellation interrupts it."""

    def _own_folder(self, ownership: Ownership) -> None:
        """Set this stack's folder, and register `_dispose` in case this process ends early."""
        self._ownership = ownership
        self.id = ownership.id
        guard.protect(self.id, self._dispose)

    def _remove_folder(self) -> None:
        if self._ownership:
            self._ownership.remove()
            guard.unprotect(self._ownership.id)

    def _toxiproxy_client(self) -> ToxiproxyClient:
        return ToxiproxyClient(self.toxiproxy_url)


class StartedStack(StackBase, Generic[PartT]):
    """A stack that starts every part of the system itself, as processes or containers.

    Args:
        descriptor: the system under test.
        settings: the `[stack]` table.
        mutant: the seeded defect that the service runs with; None for the healthy system.
    """

    def __init__(self, descriptor: Descriptor, settings: StackSettings, *, mutant: str | None = None) -> None:
        super().__init__(descriptor, settings)
        self.mutant = mutant
        self.urls: dict[str, str] = {}
        self.dsns: dict[str, str] = {}
        self.client_url = ""
        self.replicas: Sequence[str] = replica_names(settings.replicas or descriptor.app.replicas)
        self._processes: dict[str, PartT] = {}
        self._toxiproxy: PartT | None = None
        self._redis_password = secrets.token_hex(16)

    @property
    def processes(self) -> Mapping[str, PartT]:
        return self._processes

    def log_tail(self, process: str, lines: int = 40) -> list[str]:
        """The last lines of a part's log; `toxiproxy` is a part too."""
        part = self._part(process)
        return part.log_tail(lines) if part else []

    # -- from start to close -------------------------------------------------------------------

    async def start(self) -> None:
        """Start every part; returns when all parts are healthy.

        Raises:
            StackError: a part did not start; everything started so far is removed.
            ConfigError: the descriptor or a setting cannot be used.
            UsageError: no Docker engine answers, or an image cannot be found.
        """
        try:
            with explain_full_disk():
                await self._look_up()
                async with asyncio.timeout(self._settings.start_timeout_s):
                    with (
                        report_root_cause(self._everything, replicas=self.replicas),
                        report_gate_errors(lambda: self.links),
                    ):
                        await self._start()
        except TimeoutError as error:
            await self.close()
            raise StackError(
                f"the stack was not up within {self._settings.start_timeout_s:g} s ([stack] start_timeout_s)"
            ) from error
        except OSError as error:
            await self.close()
            raise StackError(f"the stack cannot be started: {error}") from error
        except BaseException:
            await self.close()
            raise

    async def renew(self, *, mutant: str | None) -> None:
        """Renew database, Redis and provider, and restart the service, with the mutant if one is given.

        Raises:
            StackError: a part did not start.
        """
        links = self._started()
        self.mutant = mutant
        await self._end_services()
        await self._heal_infrastructure()
        await self._load_services()
        links.hold(DATABASE_LINK)
        with report_root_cause(self._everything, replicas=self.replicas):
            await run_all(
                self._renew_database(),
                self._flush_redis(),
                self._start_services(self._providers()),
                self._start_services(self.replicas),
            )

    async def heal(self) -> None:
        """Remove every toxic, resume paused parts and restart dead ones."""
        self._started()
        await self._heal_infrastructure()
        await self._load_services()
        names = (*self.replicas, *self._providers())
        with report_root_cause(self._everything, replicas=self.replicas):
            await run_all(*(self._processes[name].start() for name in names if self._needs_start(name)))

    async def check(self) -> None:
        """Raise if a part ended and no injected fault ended it.

        Raises:
            SystemDied: the service ended on its own.
            PartDied: another part ended on its own.
        """
        for process in self._everything():
            if end := await self._how_it_ended(process):
                raise failure_of(process, end, replicas=self.replicas)

    # -- shared by the kinds -------------------------------------------------------------------

    def _providers(self) -> tuple[str, ...]:
        return ("payments",) if self._descriptor.service("payments") else ()

    def _parts(self) -> list[str]:
        parts = ["toxiproxy", *self.replicas]
        parts += ["postgres"] if self._descriptor.database else []
        parts += ["redis"] if self._descriptor.redis else []
        return [*parts, *self._providers()]

    def _part(self, name: str) -> PartT | None:
        return self._toxiproxy if name == "toxiproxy" else self._processes.get(name)

    def _down(self, name: str) -> bool:
        part = self._part(name)
        return part is not None and (part.paused or not part.alive())

    def _order_processes(self) -> None:
        order = [*self.replicas, "payments", "postgres", "redis"]
        self._processes = {name: self._processes[name] for name in order if name in self._processes}

    def _started(self) -> LinkSet:
        if not self._links:
            raise StackError("the stack has not been started")
        return self._links

    async def _open_links(self, toxiproxy: PartT) -> None:
        """Start Toxiproxy, create a proxy per link, and connect all links except the database's."""
        await toxiproxy.start()
        self.versions["Toxiproxy"] = await at_toxiproxy(self._toxiproxy_client().version)
        await self._make_proxies()
        links = self._started()
        links.lead(*(name for name in links.plans if name != DATABASE_LINK))

    async def _heal_infrastructure(self) -> None:
        assert self._toxiproxy
        if self._down("toxiproxy"):
            await self._toxiproxy.start()
            await self._make_proxies()
            self._started().lead()
        await at_toxiproxy(self._toxiproxy_client().reset)
        await run_all(*(self._processes[n].start() for n in ("postgres", "redis") if self._down(n)))

    async def _start_services(self, names: Sequence[str], ready: asyncio.Event | None = None) -> None:
        """Create and start processes of services; if `ready` is given, wait for it first."""
        if ready is not None:
            await ready.wait()

        async def start(name: str) -> None:
            process = self._processes[name] = self._make_service(name)
            await process.start()

        await run_all(*(start(name) for name in names))

    # -- left to the kinds ---------------------------------------------------------------------

    async def _look_up(self) -> None:
        """Do the work that does not count towards the start's time-out."""

    @abstractmethod
    async def _start(self) -> None: ...

    @abstractmethod
    def _everything(self) -> list[PartT]:
        """Every existing part, in an order in which the cause precedes its consequences."""

    @abstractmethod
    async def _how_it_ended(self, process: PartT) -> str: ...

    @abstractmethod
    async def _end_services(self) -> None:
        """End the service and the provider before their restart."""

    async def _load_services(self) -> None:
        """Prepare the start of services, e.g. start a fork server."""

    def _needs_start(self, name: str) -> bool:
        """Whether `heal` starts a service."""
        return self._down(name)

    @abstractmethod
    def _make_service(self, name: str) -> PartT:
        """Create a replica of the service, or the provider, without starting it."""

    @abstractmethod
    async def _make_proxies(self) -> None: ...

    @abstractmethod
    async def _renew_database(self) -> None: ...

    @abstractmethod
    async def _flush_redis(self) -> None: ...
