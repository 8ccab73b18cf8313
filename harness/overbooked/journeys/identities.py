"""The identities of a scenario: names from Faker, reproducible by seed."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from faker import Faker

# Names with and without accents, to test how a system handles them.
LOCALES = ("en_GB", "es_ES", "de_DE", "pl_PL")


@dataclass(frozen=True, slots=True)
class Persona:
    """A personal identity for a customer. `nick` is one lower-case word, unique in the scenario."""

    nick: str
    name: str
    email: str
    phone: str


class People:
    """Makes new identities.

    Args:
        seed: determines names, nicks and telephone numbers.
        mark: part of every e-mail address; default random. It does not depend on the seed, because a scenario
            that is repeated on one database needs new addresses.
    """

    def __init__(self, seed: int, *, mark: str | None = None) -> None:
        self._faker = Faker(list(LOCALES))
        self._faker.seed_instance(seed)
        self._mark = mark or secrets.token_hex(5)
        self._met: set[str] = set()

    def next(self) -> Persona:
        """Return a new identity."""
        first, last = self._faker.first_name(), self._faker.last_name()
        nick = _once(_plain(first) or "guest", self._met.__contains__)
        self._met.add(nick)
        return Persona(
            nick=nick,
            name=f"{first} {last}",
            email=f"{nick}.{self._mark}@example.com",
            phone=self._faker.numerify("+44 7700 900###"),
        )

    def some(self, n: int) -> list[Persona]:
        """Return `n` new identities.

        Raises:
            ValueError: `n` is negative.
        """
        if n < 0:
            raise ValueError(f"the number of people is 0 or more, got {n}")
        return [self.next() for _ in range(n)]


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.replace("ł", "l").replace("Ł", "l"))
    return "".join(c for c in letters.lower() if c.isascii() and c.isalpha())


def _once(word: str, taken: Callable[[str], bool]) -> str:
    candidate, n = word, 1
    while taken(candidate):
        n += 1
        candidate = f"{word}{n}"
    return candidate
