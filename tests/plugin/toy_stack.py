"""A toy stack with controllable processes, for scenarios that need no real system."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overbooked.errors import PartDied, StackError, SystemDied
from overbooked.runs.plan import Variant


@dataclass
class ToyStack:
    """Records the calls to it in a diary file."""

    diary: Path
    mutant: str | None = None
    size: int = 2
    dies: bool = False
    part_dies: bool = False
    id: str = "toy"
    kind: str = "embedded"
    links: dict[str, Any] = field(default_factory=dict)
    processes: dict[str, Any] = field(default_factory=lambda: {"app": object()})
    versions: dict[str, str] = field(default_factory=lambda: {"postgres": "18.0"})
    toxiproxy_url: str = "http://127.0.0.1:1"
    urls: dict[str, str] = field(default_factory=dict)
    dsns: dict[str, str] = field(default_factory=dict)
    client_url: str = "http://127.0.0.1:2"
    log: list[str] = field(default_factory=lambda: ["before"])

    @property
    def replicas(self) -> list[str]:
        return ["app", "app-2", "app-3"][: self.size]

    def write(self, line: str) -> None:
        with self.diary.open("a") as diary:
            diary.write(line + "\n")

    async def start(self) -> None:
        self.write(f"start {self.mutant} x{self.size}")
        if self.mutant == "SYS-01.1":
            raise StackError("app did not become healthy", part="app", log=["Traceback"])

    async def renew(self, *, mutant: str | None) -> None:
        self.mutant = mutant
        self.write(f"renew {mutant}")

    async def heal(self) -> None:
        self.write("heal")

    async def check(self) -> None:
        if self.dies:
            raise SystemDied("app ended on its own", observed="exit 139")
        if self.part_dies:
            raise PartDied("postgres was ended by SIGKILL on its own", part="postgres")

    async def close(self) -> None:
        self.write("close")

    def log_tail(self, _process: str, lines: int = 40) -> list[str]:
        return self.log[-lines:]


def factory(diary: Path) -> Any:
    """Return a stack factory with a diary."""

    def make(variant: Variant) -> ToyStack:
        return ToyStack(diary, variant.mutant, variant.replicas or 2)

    return make


class Adapter:
    """An adapter without behaviour; it is loaded and validated before a stack starts."""

    capabilities: frozenset[Any] = frozenset()

    async def connect(self, surroundings: Any) -> None: ...

    async def close(self) -> None: ...

    async def open_slot(self, **_: Any) -> Any: ...

    async def customers(self, names: Any) -> Any: ...


# Replacements of a scenario's tools: toy scenarios test the handling of verdicts and use no means.
TOOLS = """
from overbooked.catalog.model import Means
from overbooked.verdicts.exercise import Exercise

@pytest.fixture
def bursts():
    pass

@pytest.fixture
def system():
    pass

@pytest.fixture
def faults():
    pass

@pytest.fixture
def explorer():
    pass

@pytest.fixture
def browser():
    pass

@pytest.fixture(autouse=True)
def toy_tools(bursts, system, faults, explorer, browser):
    pass

@pytest.fixture
def judge(judge):
    for means in (Means.BURSTS, Means.JOURNEY, Means.PROPERTIES, Means.MATRIX, Means.TOXICS, Means.PROCESS):
        judge.exercised(Exercise(means, 2))
    return judge
"""
