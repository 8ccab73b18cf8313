"""Fixtures of toy projects and sessions, from the tests of the command line and the plugin."""

from __future__ import annotations

from tests.cli.conftest import project
from tests.plugin.conftest import healthy, runner

__all__ = ["healthy", "project", "runner"]
