"""Lists the changes in a project since a git revision, including uncommitted and untracked files."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from overbooked.errors import UsageError

GIT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class GitTree:
    """A working tree of git.

    Args:
        root: the project's folder, which may be below the tree's top.
    """

    root: Path

    def commit(self, revision: str, option: str = "--since") -> str:
        """Return the id of a revision's commit.

        Raises:
            UsageError: there is no git, no repository, or no such revision; for a shallow clone the message
                states the remedy.
        """
        self.require()
        found = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.decode().strip()
        if self.shallow:
            raise UsageError(
                f"{option} {revision}: this is a shallow clone, which does not have that revision; fetch it "
                "with `git fetch --unshallow` (in CI: a checkout with fetch-depth 0)"
            )
        raise UsageError(f"{option} {revision}: git knows no such revision in {self.root}")

    def require(self) -> None:
        """Raise UsageError if there is no git, or if the project is not in a repository."""
        found = self._run("rev-parse", "--is-inside-work-tree")
        if found.returncode or found.stdout.decode().strip() != "true":
            why = (found.stderr.decode(errors="replace").strip().splitlines() or ["no working tree"])[-1]
            raise UsageError(f"git cannot list the changes in {self.root}: {why}")

    @property
    def shallow(self) -> bool:
        """Whether the clone has only a part of the history."""
        return self._run("rev-parse", "--is-shallow-repository").stdout.decode().strip() == "true"

    def changed_since(self, commit: str) -> tuple[str, ...]:
        """Return the paths that differ between a commit and the working tree, sorted.

        A renamed file is listed under its old and its new name. Paths are relative to `root`; those outside
        begin with `../`.
        """
        top = Path(self._answer("rev-parse", "--show-toplevel").decode().rstrip("\n"))
        listed = self._answer("diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", commit, "--")
        names = set(_names(listed))
        untracked = self._answer("-C", str(top), "ls-files", "--others", "--exclude-standard", "-z")
        names.update(_names(untracked))
        return tuple(sorted(self._relative(top / name) for name in names))

    def tracked(self) -> frozenset[str]:
        """Return the tracked files below `root`, relative to it."""
        return frozenset(_names(self._answer("ls-files", "-z")))

    def before(self, commit: str, path: str) -> bytes | None:
        """Return the content of a file at a commit; None if it did not exist.

        Args:
            path: relative to `root`.
        """
        shown = self._run("show", f"{commit}:./{path}")
        return shown.stdout if shown.returncode == 0 else None

    def head(self) -> tuple[str, int | None]:
        """Return the checked-out commit, and the number of commits on its first-parent line.

        The number is None in a shallow clone, which does not have all commits.
        """
        self.require()
        commit = self.commit("HEAD", "--budget: at")
        if self.shallow:
            return commit, None
        return commit, int(self._answer("rev-list", "--count", "--first-parent", "HEAD"))

    def _relative(self, path: Path) -> str:
        root = self.root.resolve()
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
        return f"../{path.name}" if path.parent == root.parent else f"../{path.as_posix().lstrip('/')}"

    def _answer(self, *arguments: str) -> bytes:
        done = self._run(*arguments)
        if done.returncode:
            why = (done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
            raise UsageError(f"git {arguments[0]} failed in {self.root}: {why}")
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", "-C", str(self.root), *arguments],
                capture_output=True,
                timeout=GIT_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"git cannot be run: {error}") from error


def _names(listed: bytes) -> list[str]:
    return [name.decode("utf-8", errors="surrogateescape") for name in listed.split(b"\0") if name]
