"""Seeded defects of the revenue gaps that only some shapes, ages, methods, positions or later runs show."""
