"""The catalog: all gaps, with look-up by name and selection by theme and priority."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from overbooked.catalog.model import Clause, Gap, Mutant, Priority
from overbooked.catalog.reading import check_gaps, read_gaps
from overbooked.errors import ConfigError, UnknownGap


class Catalog:
    """Every known gap. Names are case-insensitive; the error for an unknown name lists the nearest ones.

    Args:
        gaps: in display order.
        where: the name of their source in messages.

    Raises:
        ConfigError: the gaps contradict themselves or each other.
    """

    def __init__(self, gaps: Iterable[Gap], *, where: str = "catalog") -> None:
        self.gaps = tuple(gaps)
        check_gaps(self.gaps, where)
        self._gaps = {gap.id: gap for gap in self.gaps}
        self._clauses = {clause.name: clause for gap in self.gaps for clause in gap.clauses}
        self._mutants = {mutant.name: mutant for gap in self.gaps for mutant in gap.mutants}

    @classmethod
    def load(cls, extra: Sequence[Path] = ()) -> Catalog:
        """The bundled catalog, followed by the gaps of the user's own directories or files.

        Raises:
            ConfigError: a directory has no TOML file, or a file is invalid.
        """
        bundled = resources.files("overbooked.catalog")
        names = sorted(entry.name for entry in bundled.iterdir() if entry.name.endswith(".toml"))
        # SYS comes first: the other catalogs refer to its gaps.
        names.sort(key=lambda name: name != "sys.toml")
        gaps = [gap for name in names for gap in read_gaps(bundled.joinpath(name).read_text("utf-8"), name)]
        files = [file for path in extra for file in _files(path)]
        for file in files:
            gaps.extend(read_gaps(_text(file), str(file)))
        return cls(gaps, where=", ".join(["catalog", *map(str, files)]))

    def __iter__(self) -> Iterator[Gap]:
        return iter(self.gaps)

    def __len__(self) -> int:
        return len(self.gaps)

    @property
    def clauses(self) -> Mapping[str, Clause]:
        """Every clause by its full name, in order."""
        return self._clauses

    @property
    def mutants(self) -> Mapping[str, Mutant]:
        """Every mutant by its full name, in order."""
        return self._mutants

    @property
    def themes(self) -> tuple[str, ...]:
        """Every theme, in the order of its first gap."""
        return tuple(dict.fromkeys(gap.theme for gap in self.gaps))

    # -- by name -------------------------------------------------------------------------------

    def gap(self, name: str) -> Gap:
        """Raises UnknownGap, which offers the nearest names."""
        return self._gaps[self._name(name, self._gaps, "gap")]

    def clause(self, name: str) -> Clause:
        """Raises UnknownGap, which offers the nearest names."""
        return self._clauses[self._name(name, self._clauses, "clause")]

    def mutant(self, name: str) -> Mutant:
        """Raises UnknownGap, which offers the nearest names."""
        return self._mutants[self._name(name, self._mutants, "mutant")]

    def gap_of(self, name: str) -> Gap:
        """The gap of a gap, clause or mutant name. Raises UnknownGap."""
        every: dict[str, Gap | Clause | Mutant] = {**self._gaps, **self._clauses, **self._mutants}
        found = every[self._name(name, every, "gap, clause or mutant")]
        return found if isinstance(found, Gap) else self._gaps[found.gap]

    def clauses_of(self, names: Iterable[str]) -> tuple[Clause, ...]:
        """The clauses of some gap and clause names, each once, in the given order.

        Raises:
            UnknownGap: a name is neither a gap nor a clause.
        """
        found: dict[str, Clause] = {}
        for name in names:
            self._refuse_mutant(name)
            real = self._name(name, {**self._gaps, **self._clauses}, "gap or clause")
            clauses = self._gaps[real].clauses if real in self._gaps else (self._clauses[real],)
            found.update({clause.name: clause for clause in clauses})
        return tuple(found.values())

    def mutants_breaking(self, clauses: Iterable[str]) -> tuple[Mutant, ...]:
        """Every mutant that breaks at least one of these clauses (full names), in order."""
        wanted = set(clauses)
        return tuple(mutant for mutant in self._mutants.values() if wanted.intersection(mutant.breaks))

    # -- selection -----------------------------------------------------------------------------

    def select(
        self, ids: Sequence[str] = (), *, theme: str | None = None, priority: str | None = None
    ) -> tuple[Gap, ...]:
        """The gaps that match all criteria, in the catalog's order.

        Args:
            ids: names of gaps or clauses; empty: all gaps.
            theme: one theme or several, separated by commas.
            priority: `P0`, `P0,P2` or `P0-P2`.

        Raises:
            UnknownGap: a name, a theme or a priority that does not exist.
        """
        wanted = {clause.gap for clause in self.clauses_of(ids)} if ids else set(self._gaps)
        themes = set(self._themes(theme)) if theme else set(self.themes)
        priorities = set(priorities_of(priority)) if priority else set(Priority)
        return tuple(
            gap
            for gap in self.gaps
            if gap.id in wanted and gap.theme in themes and gap.priority in priorities
        )

    def _refuse_mutant(self, name: str) -> None:
        """Where a gap or a clause is wanted, answer the name of a mutant with the way to name one."""
        folded = {each.casefold(): each for each in self._mutants}
        if mutant := folded.get(name.strip().casefold()):
            gap = self._mutants[mutant].gap
            raise UnknownGap(
                f"{mutant} is a mutant, not a gap or clause; "
                f"`run` and `prove` take it as {gap} --mutant {mutant}"
            )
        gap, _, number = name.strip().upper().rpartition(".")
        if gap in self._gaps and number.isdecimal():
            raise UnknownGap(f"no mutant is called {name!r}; {_nearest(name, folded)}")

    def _themes(self, said: str) -> Iterator[str]:
        for name in filter(None, (part.strip() for part in said.split(","))):
            yield self._name(name, {theme: theme for theme in self.themes}, "theme")

    def _name(self, name: str, known: Mapping[str, object], what: str) -> str:
        if name in known:
            return name
        folded = {each.casefold(): each for each in known}
        if name.strip().casefold() in folded:
            return folded[name.strip().casefold()]
        raise UnknownGap(f"no {what} is called {name!r}; {_nearest(name, folded)}")


def priorities_of(said: str) -> tuple[Priority, ...]:
    """Parse priorities: `P0`, `P0,P2` or `P0-P2`.

    Raises:
        UnknownGap: a priority is not one of P0 to P3, or the range is empty.
    """
    found: list[Priority] = []
    for part in filter(None, (piece.strip().upper() for piece in said.split(","))):
        first, _, last = part.partition("-")
        try:
            low, high = Priority(first), Priority(last or first)
        except ValueError:
            raise UnknownGap(f"no priority is called {part!r}; say P0, P0,P2 or P0-P2") from None
        found.extend(each for each in Priority if low <= each <= high)
    if not found:
        raise UnknownGap(f"no priority in {said!r}; say P0, P0,P2 or P0-P2")
    return tuple(dict.fromkeys(found))


def _nearest(name: str, folded: Mapping[str, str]) -> str:
    said = name.strip().casefold()
    same = [each for each in folded if _plain(each) == _plain(said)]
    near = dict.fromkeys([*same, *difflib.get_close_matches(said, folded, n=3, cutoff=0.6)])
    if near:
        return f"nearest: {', '.join([folded[each] for each in near][:3])}"
    return "`overbooked list` shows all there are"


def _plain(name: str) -> str:
    """A name without punctuation and leading zeros, equal for `SYS-03`, `sys 3` and `SYS03`."""
    return "".join(part.lstrip("0") for part in re.findall(r"[a-z]+|[0-9]+", name))


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"{path}: expected catalog files (*.toml), found none")
    return files


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: the catalog file cannot be read: {error}") from error
