"""The catalog as data: every known gap with its clauses and its seeded defects."""

from overbooked.catalog.catalog import Catalog
from overbooked.catalog.model import Clause, Gap, Means, Mutant, Priority

__all__ = ["Catalog", "Clause", "Gap", "Means", "Mutant", "Priority"]
