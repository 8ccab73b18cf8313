"""The hard set has a catalog of its own: it is collected where settings name it, not with all others."""

collect_ignore = ["hard"]
