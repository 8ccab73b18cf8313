"""The schema of the booking service, as Alembic revisions run by the schema's owner."""
