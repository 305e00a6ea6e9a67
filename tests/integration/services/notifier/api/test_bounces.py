"""Bounces over REST, as what a mail provider calls passes them on."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from services.notifier.models import Bounce, Suppression
from services.notifier.service import Notifier
from tests.databases import sqlite_suffices
from tests.integration.services.notifier.conftest import sent

ADA = "ada@example.org"


async def report(client: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    return await client.post("/v1/bounces", json={"email": ADA, "kind": "hard"} | fields)


async def test_a_bounce_is_taken_as_often_as_it_is_told(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    message_id = await sent(notifier, ADA)
    said = "smtp; 550-5.1.1 The account\r\n550 5.1.1 does not exist " + "x" * 500
    for _ in range(2):
        answer = await report(client, email="ADA@example.org", message_id=message_id, detail=said)
        assert (answer.status_code, answer.content) == (204, b"")
    async with notifier.database.reading() as session:
        [bounce] = await session.scalars(select(Bounce))
    assert bounce.detail is not None
    assert bounce.detail.startswith("smtp; 550-5.1.1 The account 550 5.1.1 does not exist xxx")
    assert len(bounce.detail) == 300


async def test_a_complaint_suppresses(notifier: Notifier, client: httpx2.AsyncClient) -> None:
    message_id = (await sent(notifier, ADA)).strip("<>")
    assert (await report(client, kind="complaint", message_id=message_id)).status_code == 204
    async with notifier.database.reading() as session:
        [found] = await session.scalars(select(Suppression))
    assert (found.email, found.reason) == (ADA, "complained")


async def test_what_was_not_sent_to_that_recipient_is_not_found(
    notifier: Notifier, client: httpx2.AsyncClient
) -> None:
    ours = await sent(notifier, ADA)
    for fields in (
        {"message_id": ours, "email": "bob@example.org"},
        {"message_id": "<0102018f-000000@eu-west-1.mail.example>"},
    ):
        answer = await report(client, **fields)
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:heliograph:problem:not-found"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"message_id": ""},
        {"message_id": "<1@x>\r\n"},
        {"message_id": "x" * 999},
        {"message_id": 1},
        {"message_id": "<1@x.example>", "kind": "HARD"},
        {"message_id": "<1@x.example>", "kind": None},
        {"message_id": "<1@x.example>", "email": "ada"},
        {"message_id": "<1@x.example>", "detail": "x" * 2_001},
        {"message_id": "<1@x.example>", "detail": "\0"},
        {"message_id": "<1@x.example>", "reason": "unknown field"},
    ],
)
@sqlite_suffices
async def test_what_makes_no_sense_is_invalid(
    client: httpx2.AsyncClient, fields: dict[str, Any]
) -> None:
    assert (await report(client, **fields)).status_code == 422
