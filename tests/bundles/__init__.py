"""Bundles: schema, files, settings, fingerprints."""
