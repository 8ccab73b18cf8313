"""Seeded defects of the reference booking service, one module a gap."""
