"""PostgreSQL through the gate."""
