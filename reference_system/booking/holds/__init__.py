"""Places held for a while, so that nobody else takes them during a checkout."""
