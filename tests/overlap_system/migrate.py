"""Creates the schema, as its owner."""

import asyncio
import os

import asyncpg

SCHEMA = """
CREATE TABLE slots (id uuid PRIMARY KEY, capacity int NOT NULL);
CREATE TABLE bookings (
    id uuid PRIMARY KEY,
    slot uuid NOT NULL REFERENCES slots,
    customer text NOT NULL,
    status text NOT NULL DEFAULT 'confirmed'
);
CREATE INDEX ON bookings (slot);
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO booking_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO booking_observer;
"""


async def main() -> None:
    connection = await asyncpg.connect(os.environ["OWNER_URL"])
    await connection.execute(SCHEMA)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
