"""Checks whether a mutant's schema change is in force, by a fingerprint taken right after the change.

`prepare` stores the fingerprint as a comment on Alembic's table; any role may read it and the schema.
"""

from __future__ import annotations

# Constraints, functions, triggers, indexes, columns, policies and grants of the schema, as one hash.
# CAST instead of `::`, which SQLAlchemy would parse as a parameter.
FINGERPRINT = """
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
  SELECT concat_ws(' ', conrelid, conname, pg_get_constraintdef(oid), convalidated)
    FROM pg_constraint WHERE connamespace = CAST('public' AS regnamespace)
  UNION ALL SELECT concat_ws(' ', oid, pg_get_functiondef(oid), CAST(proacl AS text))
    FROM pg_proc WHERE pronamespace = CAST('public' AS regnamespace) AND prokind IN ('f', 'p')
  UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = CAST('public' AS regnamespace)
  UNION ALL SELECT concat_ws(' ', attrelid, attname, atttypid, atttypmod, attnotnull, attisdropped,
      CAST(attacl AS text), pg_get_expr(adbin, adrelid))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = CAST('public' AS regnamespace) AND attnum > 0
  UNION ALL SELECT concat_ws(' ', oid, relname, relkind, CAST(relacl AS text), relrowsecurity,
      CAST(reloptions AS text))
    FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace)
  UNION ALL SELECT concat_ws(' ', polrelid, polname, pg_get_expr(polqual, polrelid)) FROM pg_policy
) AS everything(line)
"""
PREPARED = "SELECT obj_description(CAST('public.alembic_version' AS regclass), 'pg_class')"


def mark(mutant: str, fingerprint: str) -> str:
    """Return the comment that `prepare` writes to the database; neither part contains a quote."""
    return f"mutant {mutant} {fingerprint}"


def in_force(mutant: str, prepared: str | None, fingerprint: str) -> bool:
    """Whether the database was prepared for this mutant and its schema has not changed since."""
    return prepared == mark(mutant, fingerprint)
