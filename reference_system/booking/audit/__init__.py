"""The audit log: a row for each change, written with it and never altered."""
