"""Toy projects and sessions, as the tests of the command line and of the bookkeeping have them."""

from __future__ import annotations

from tests.bookkeeping.conftest import court, healthy
from tests.cli.conftest import project

__all__ = ["court", "healthy", "project"]
