"""The stand-in's migration: one table that the service may write."""

import os
import sys

import psycopg

STATEMENTS = (
    "CREATE TABLE visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",
    "GRANT SELECT, INSERT ON visits TO booking_app",
)
PREPARE = ("INSERT INTO visits DEFAULT VALUES",)

with psycopg.connect(os.environ["OWNER_URL"]) as connection:
    for statement in PREPARE if "prepare" in sys.argv else STATEMENTS:
        connection.execute(statement)
