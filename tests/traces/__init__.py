"""Traces: layout, redaction, generated names."""
