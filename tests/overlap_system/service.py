"""A tiny booking service: check and insert are one statement, in autocommit, without a constraint."""

import argparse
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvicorn
from fastapi import FastAPI, Header, Response

BOOK = """
INSERT INTO bookings (id, slot, customer)
SELECT $1, $2, $3 WHERE (SELECT count(*) FROM bookings WHERE slot = $2 AND status = 'confirmed')
    < (SELECT capacity FROM slots WHERE id = $2) RETURNING id
"""
CANCEL = """
UPDATE bookings SET status = 'cancelled' WHERE id = $1 AND customer = $2 AND status = 'confirmed' RETURNING id
"""
READ = """
SELECT capacity, (SELECT count(*) FROM bookings WHERE slot = $1 AND status = 'confirmed') AS booked
FROM slots WHERE id = $1
"""


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    app.state.db = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=12, max_size=24)
    yield
    await app.state.db.close()


app = FastAPI(lifespan=life)


@app.get("/up")
async def up() -> dict[str, bool]:
    return {"up": True}


@app.post("/slots")
async def open_slot(capacity: int) -> dict[str, str]:
    slot = uuid.uuid4()
    await app.state.db.execute("INSERT INTO slots VALUES ($1, $2)", slot, capacity)
    return {"id": str(slot)}


@app.post("/slots/{slot}/bookings")
async def book(slot: uuid.UUID, response: Response, x_customer: str = Header()) -> dict[str, str]:
    booked = await app.state.db.fetchval(BOOK, uuid.uuid4(), slot, x_customer)
    if booked is None:
        response.status_code = 409
        return {"problem": "sold out"}
    return {"booking": str(booked)}


@app.delete("/bookings/{booking}")
async def cancel(booking: uuid.UUID, response: Response, x_customer: str = Header()) -> dict[str, str]:
    if await app.state.db.fetchval(CANCEL, booking, x_customer) is None:
        response.status_code = 409
        return {"problem": "not yours"}
    return {}


@app.get("/slots/{slot}")
async def read(slot: uuid.UUID) -> dict[str, Any]:
    return dict(await app.state.db.fetchrow(READ, slot))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")
