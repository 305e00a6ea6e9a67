"""What the routes ask for."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from pydantic import AfterValidator, Field

from heliograph.database import Session
from heliograph.text import Line
from heliograph.web import service_of
from services.notifier.mail.addresses import LONGEST_ADDRESS, valid_address
from services.notifier.service import Notifier
from services.notifier.time_zones import time_zones

LARGEST_ID = 2**63 - 1


async def _transaction(request: Request) -> AsyncIterator[Session]:
    async with service_of(request, Notifier).database.transaction() as session:
        yield session


async def _reading(request: Request) -> AsyncIterator[Session]:
    async with service_of(request, Notifier).database.reading() as session:
        yield session


# In scope "function" the commit comes before the response: what is answered is durable.
Transaction = Annotated[Session, Depends(_transaction, scope="function")]
Reading = Annotated[Session, Depends(_reading, scope="function")]

Email = Annotated[
    str,
    Line(LONGEST_ADDRESS),
    AfterValidator(valid_address),
    Field(examples=["ada@example.org"]),
]
"""A plain address in lower case, its domain in ASCII."""


def _time_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError("There is no such time zone in the IANA database.")
    return name


TimeZone = Annotated[
    str,
    Line(64),
    AfterValidator(_time_zone),
    Field(examples=["Europe/Vienna"], description="A name of the IANA time zone database."),
]

Locale = Annotated[
    str,
    Field(
        max_length=35,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        examples=["de-AT"],
        description="A language tag (BCP 47).",
    ),
]
