"""`GET /ledger`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from reference_system.booking.accounts import authentication
from reference_system.booking.accounts.authentication import HasOperator
from reference_system.booking.ledger import store
from reference_system.booking.platform.problems import FORBIDDEN, responses
from reference_system.booking.platform.runtime import HasRuntime

router = APIRouter(tags=["ledger"])


class Entry(BaseModel):
    """`amount_minor` is signed: debits above zero, credits below."""

    account: str
    amount_minor: int
    currency: str


class Transaction(BaseModel):
    """`reverses` names the transaction that a reversal takes back."""

    id: UUID
    kind: Literal["capture", "refund", "reversal"]
    reference: str
    checkout_id: UUID | None
    intent_id: str | None
    reverses: UUID | None
    created_at: datetime
    entries: list[Entry]


@router.get("/ledger", responses=responses(*authentication.KINDS, FORBIDDEN))
async def read_ledger(
    *,
    operator: HasOperator,
    runtime: HasRuntime,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    checkout_id: UUID | None = None,
) -> list[Transaction]:
    """The books, oldest first; page by the last transaction's `id`. For operators."""
    rows = await store.page(runtime.database, checkout_id=checkout_id, after=after, limit=limit)
    return [
        Transaction(
            id=row.id,
            kind=row.kind,
            reference=row.reference,
            checkout_id=row.checkout_id,
            intent_id=row.intent_id,
            reverses=row.reverses,
            created_at=row.created_at,
            entries=[Entry.model_validate(entry) for entry in json.loads(row.entries or "[]")],
        )
        for row in rows
    ]
