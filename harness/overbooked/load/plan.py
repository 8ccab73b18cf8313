"""The plan of a generator process, as one line of JSON."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from overbooked.descriptor import Descriptor
from overbooked.errors import HarnessError
from overbooked.load.profile import LoadProfile
from overbooked.targets.adapter import Account, Slot


@dataclass(frozen=True, slots=True)
class Arrival:
    """An arrival `at_s` seconds after the start, at one of the doors (replicas).

    `who` and `slot` are numbers in the plan's lists.
    """

    at_s: float
    visit: str
    who: int
    slot: int
    door: int
    key: str


def schedule(
    profile: LoadProfile, *, seed: int, doors: int, visits: Mapping[str, float] | None = None
) -> list[Arrival]:
    """Return arrivals of the open model: they do not wait for the system.

    Their number is exact and their moments are independent and uniform: a Poisson process conditional on
    its count.

    Args:
        doors: the number of replicas, used in turn.
        visits: shares by visit; default those of the profile.
    """
    random = Random(f"{seed}/load")
    moments = sorted(random.uniform(0, profile.seconds) for _ in range(profile.arrivals))
    shares = visits or profile.journeys
    kinds = random.choices(list(shares), list(shares.values()), k=len(moments))
    return [
        Arrival(
            at_s=at_s,
            visit=kind,
            who=random.randrange(profile.people),
            slot=random.randrange(profile.slots),
            door=number % doors,
            key=f"load-{number}-{random.getrandbits(64):016x}",
        )
        for number, (at_s, kind) in enumerate(zip(moments, kinds, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Everything that one generator process needs.

    Customers and slots are pickled, because an adapter may attach its own objects to them. The process
    that reads a plan is always a child of the one that wrote it.
    """

    adapter: str
    root: str
    beside: tuple[str, ...]
    doors: tuple[str, ...]
    people: tuple[Account, ...]
    slots: tuple[Slot, ...]
    arrivals: tuple[Arrival, ...]
    patience_s: float

    @classmethod
    def of(
        cls,
        descriptor: Descriptor,
        profile: LoadProfile,
        *,
        doors: Sequence[str],
        people: Sequence[Account],
        slots: Sequence[Slot],
        arrivals: Sequence[Arrival],
    ) -> LoadPlan:
        return cls(
            adapter=descriptor.adapter,
            root=str(descriptor.root),
            beside=tuple(map(str, descriptor.beside)),
            doors=tuple(doors),
            people=tuple(people),
            slots=tuple(slots),
            arrivals=tuple(arrivals),
            patience_s=profile.patience_s,
        )

    @property
    def descriptor(self) -> Descriptor:
        """The part of the descriptor that loads the adapter."""
        return _loadable(self.adapter, self.root, self.beside)

    def as_line(self) -> str:
        """One line of JSON.

        Raises:
            HarnessError: the adapter attaches an object to a customer that cannot be pickled.
        """
        try:
            pickled = pickle.dumps((self.people, self.slots))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise HarnessError(
                f"customers or slots of the adapter {self.adapter} cannot be pickled for the load "
                f"generator's process ({error}): keep plain data in `Account.session`"
            ) from error
        return json.dumps(
            {
                "adapter": self.adapter,
                "root": self.root,
                "beside": self.beside,
                "doors": self.doors,
                "cast": base64.b64encode(pickled).decode(),
                "arrivals": [asdict(arrival) for arrival in self.arrivals],
                "patience_s": self.patience_s,
            }
        )

    @classmethod
    def from_line(cls, line: str) -> LoadPlan:
        """Read what `as_line` wrote; the adapter's module must be importable."""
        said = json.loads(line)
        # The adapter first: it may define the pickled classes.
        _loadable(said["adapter"], said["root"], said["beside"]).load_adapter()
        people, slots = pickle.loads(base64.b64decode(said["cast"]))  # noqa: S301 - from our parent
        return cls(
            adapter=said["adapter"],
            root=said["root"],
            beside=tuple(said["beside"]),
            doors=tuple(said["doors"]),
            people=people,
            slots=slots,
            arrivals=tuple(Arrival(**arrival) for arrival in said["arrivals"]),
            patience_s=said["patience_s"],
        )


def _loadable(adapter: str, root: str, beside: Sequence[str]) -> Descriptor:
    return Descriptor(name="load", adapter=adapter, root=Path(root), beside=tuple(map(Path, beside)))
