"""Bundles as files: each written whole or not at all, drawn beside, and the oldest pruned."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from overbooked.bundles.schema import VERSION_KEY, Bundle
from overbooked.errors import HarnessError
from overbooked.traces.html import Headline, lanes_html
from overbooked.traces.svg import lanes_svg

_DRAWN = (".html", ".svg")
_PEEKED = 64


class BundleNotWritten(HarnessError):
    """A bundle could not be written: no space, no permission, or something in the way."""


def write_bundle(
    bundle: Bundle, folder: Path, name: str, *, size_bytes: int, shown: Path, config: Path | None = None
) -> Path:
    """Write a bundle with its lanes beside it, under a name of its own.

    Args:
        folder: of the run.
        name: of the file, without its end; where it is taken, with a number.
        size_bytes: how large the file may be; see `Bundle.within`.
        shown: paths in the command that replays it are relative to this folder, where they can be.
        config: the settings file that the run was given.

    Returns:
        Where it is.

    Raises:
        BundleNotWritten: naming the file and why; nothing is left half written.
    """
    scratch = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in _names(folder, name):
            named = bundle.model_copy(update={"command": replay_command(path, shown, config)})
            _write_through(scratch, named.within(size_bytes).dumped())
            with suppress(FileExistsError):
                os.link(scratch, path)  # unlike a rename it never takes a name that is taken
                _draw(named, path)
                return path
        raise AssertionError("names never end")
    except OSError as error:
        raise BundleNotWritten(
            f"cannot write a bundle to {folder}: {error.strerror or error}; make room there or set `reports`"
        ) from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def prune(reports: Path, keep: int) -> int:
    """Remove the oldest bundles under a folder of runs, and their lanes, until so many are left.

    Returns:
        How many were removed. What cannot be removed stays, and is no error.
    """
    found = []
    for path in reports.glob("*/*.json"):
        with suppress(OSError):
            if not path.parent.is_symlink() and _is_bundle(path):
                found.append((path.stat().st_mtime_ns, path))
    old = sorted(found)[: max(0, len(found) - keep)]
    removed = 0
    for _, path in old:
        with suppress(OSError):
            path.unlink()
            removed += 1
        for end in _DRAWN:
            with suppress(OSError):
                path.with_suffix(end).unlink(missing_ok=True)
    return removed


def headline_of(bundle: Bundle, *, verdict: str = "open") -> Headline:
    """What stands above the lanes of a bundle."""
    made, expected, recording = bundle.made, bundle.expected, bundle.recording
    facts = [
        ("expected", expected.expected),
        ("observed", expected.observed),
        ("race", recording.race),
        ("scenario", bundle.scenario),
        ("system", f"{bundle.fits.target}{f', mutant {made.mutant}' if made.mutant else ''}"),
        ("made", f"{made.at:%Y-%m-%d %H:%M} UTC, run {made.run}, seed {made.seed}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in made.versions.items())),
    ]
    return Headline(
        title=expected.what[:1].upper() + expected.what[1:],
        verdict=verdict,
        where=bundle.subject,
        facts=[(label, said) for label, said in facts if said],
        command=bundle.command,
    )


def replay_command(path: Path, shown: Path, config: Path | None = None) -> str:
    """What replays a bundle, as it is typed in the folder `shown`.

    Args:
        config: the settings file that the run was given: without it another system is asked.
    """
    return shlex.join(["overbooked", "replay", shorter(path, shown), *with_config(config, shown)])


def with_config(config: Path | None, shown: Path) -> list[str]:
    """The option by which a command is given the settings file of a run."""
    return ["--config", shorter(config, shown)] if config else []


def shorter(path: Path, shown: Path) -> str:
    """A path as it is typed in the folder `shown`."""
    return str(path.relative_to(shown) if path.is_relative_to(shown) else path)


def _draw(bundle: Bundle, path: Path) -> None:
    """The lanes beside a bundle; it is whole without them, so that no room for them is no error."""
    trace = bundle.trace
    if not trace.steps:
        return
    drawn = {
        ".html": lanes_html(trace, headline_of(bundle)),
        ".svg": lanes_svg(trace, title=bundle.expected.what),
    }
    for end, text in drawn.items():
        try:
            path.with_suffix(end).write_text(text, encoding="utf-8")
        except OSError:
            with suppress(OSError):
                path.with_suffix(end).unlink(missing_ok=True)


def _names(folder: Path, name: str) -> Iterator[Path]:
    yield folder / f"{name}.json"
    number = 2
    while True:
        yield folder / f"{name}-{number}.json"
        number += 1


def _write_through(path: Path, text: str) -> None:
    """A full disk may show only when the data is flushed to it."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _is_bundle(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return f'"{VERSION_KEY}"' in file.read(_PEEKED)
