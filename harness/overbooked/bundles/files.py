"""Bundle files: writes them atomically with drawings of their lanes, and prunes the oldest."""

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
    """A bundle could not be written, e.g. for lack of space or permission."""


def write_bundle(
    bundle: Bundle, folder: Path, name: str, *, size_bytes: int, shown: Path, config: Path | None = None
) -> Path:
    """Write a bundle under an unused name, with drawings of its lanes beside it.

    Args:
        folder: the folder of the run.
        name: the name of the file without suffix; a number is appended if it is in use.
        size_bytes: the maximum size of the file; see `Bundle.within`.
        shown: paths in the replay command are relative to this folder if they are inside it.
        config: the settings file of the run.

    Returns:
        The path of the bundle.

    Raises:
        BundleNotWritten: writing failed; names the folder and the reason. No incomplete file is left.
    """
    scratch = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in _names(folder, name):
            named = bundle.model_copy(update={"command": replay_command(path, shown, config)})
            _write_through(scratch, named.within(size_bytes).dumped())
            with suppress(FileExistsError):
                os.link(scratch, path)  # unlike a rename, a link fails if the name is in use
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
    """Remove the oldest bundles under a folder of runs, with their drawings, until `keep` are left.

    Returns:
        The number of removed bundles. A file that cannot be removed is kept without an error.
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
    """Return the head of the page of a bundle."""
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
    """Return the command that replays a bundle when run in the folder `shown`.

    Args:
        config: the settings file of the run; without it a different system would be started.
    """
    return shlex.join(["overbooked", "replay", shorter(path, shown), *with_config(config, shown)])


def with_config(config: Path | None, shown: Path) -> list[str]:
    """Return the command-line option for the settings file of a run; empty without one."""
    return ["--config", shorter(config, shown)] if config else []


def shorter(path: Path, shown: Path) -> str:
    """Return a path relative to the folder `shown` if it is inside it."""
    return str(path.relative_to(shown) if path.is_relative_to(shown) else path)


def _draw(bundle: Bundle, path: Path) -> None:
    """Draw the lanes beside a bundle. A failed write is not an error: the bundle is complete without them."""
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
    """Write a file and fsync it, because a full disk may be reported only then."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _is_bundle(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return f'"{VERSION_KEY}"' in file.read(_PEEKED)
