"""A person's own page: what they are told, how often, and the end of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Depends, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, ValidationError

from heliograph.database import Session
from heliograph.http import max_body
from heliograph.web import service_of
from services.notifier.api.dependencies import Reading, Transaction
from services.notifier.api.pages import HEADERS, UNKNOWN, page, target_text, unknown, well_formed
from services.notifier.models import FREQUENCIES, Frequency, Subscription, Topic
from services.notifier.repositories.people import alone_with
from services.notifier.repositories.preferences import PreferencesRepository
from services.notifier.repositories.products import ProductRepository
from services.notifier.repositories.subscriptions import SubscriptionRepository
from services.notifier.service import Notifier
from services.notifier.time_zones import TimeZone, time_zones
from services.notifier.wishes import Delivery

MOST_SHOWN = 200
"""Subscriptions on the page: nobody reads more, and the form stays small."""
MOST_FIELDS = 2 * MOST_SHOWN + 10
MAX_FORM_BYTES = 64 * 1024

_AREAS: Final = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe"),
    *("Indian", "Pacific", "UTC"),
)
_INVALID: Final[dict[int | str, dict[str, Any]]] = {
    422: {"description": "The page, which says what is wrong.", "content": {"text/html": {}}}
}

# Without `GuardedRoute`, as the page to unsubscribe. And without a token against forged requests:
# no cookie lets anybody in, but the secret in the address alone, and who knows that needs no
# forgery.
router = APIRouter(prefix="/preferences", tags=["preferences"], default_response_class=HTMLResponse)


class Changes(BaseModel):
    """What the form asks for. Ids that are none of the person's, or no longer, mean nothing."""

    model_config = ConfigDict(extra="forbid")

    do: Literal["save", "ask", "end"]
    frequency: dict[UUID, Frequency] = {}
    end: frozenset[UUID] = frozenset()
    time_zone: TimeZone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A subscription as the page shows it; `product_name` is empty if it is not known."""

    id: UUID
    topic: Topic
    product_name: str | None
    target: str | None
    frequency: Frequency


# By hand and ahead of the transaction: what is wrong is a page and no problem, and nobody who
# sends slowly holds up writing.
async def _changes(request: Request) -> Changes | Sequence[str]:
    """What is asked for, or the names of the fields that are wrong."""
    body = (await request.body()).decode(errors="replace")
    fields: dict[str, Any] = {"frequency": {}, "end": []}
    try:
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS)
        for name, value in pairs:
            if name == "end":
                fields["end"].append(value)
            elif name.startswith("frequency-"):
                fields["frequency"][name.removeprefix("frequency-")] = value
            else:
                fields[name] = value
        return Changes.model_validate(fields)
    except ValidationError as error:
        return sorted({str(each["loc"][0]) for each in error.errors()})
    except ValueError:
        return ["form"]


@router.get("/{token}", summary="Show a person what they are told", responses=UNKNOWN)
async def show(token: str, session: Reading, request: Request) -> HTMLResponse:
    """Changes nothing. The token is that of any of the person's subscriptions, ended ones too."""
    email = await _owner(token, session)
    if email is None:
        return unknown()
    return await _page(token, email, session, request, saved="saved" in request.query_params)


@router.post(
    "/{token}",
    summary="Change it, or end it",
    response_model=None,
    status_code=status.HTTP_303_SEE_OTHER,
    responses=UNKNOWN
    | _INVALID
    | {
        200: {"description": "A page that asks before all is ended.", "content": {"text/html": {}}},
        303: {"description": "Done: see the page again."},
    },
)
@max_body(MAX_FORM_BYTES)
async def change(
    token: str,
    changes: Annotated[Changes | Sequence[str], Depends(_changes)],
    session: Transaction,
    request: Request,
) -> HTMLResponse | RedirectResponse:
    """Takes the page's form. What ended in the meantime stays so."""
    email = await _owner(token, session)
    if email is None:
        return unknown()
    if not isinstance(changes, Changes):
        return await _page(token, email, session, request, wrong=changes)
    if changes.do == "ask":
        return page("preferences", state="ask", token=token, email=email)
    if changes.do == "end":
        await PreferencesRepository(session).end_all(email)
    else:
        await _save(changes, email, session, request)
    # Relative, for the page may be served below another path by a proxy. To load it again does
    # not send the form again.
    return RedirectResponse(f"{token}?saved", status.HTTP_303_SEE_OTHER, HEADERS)


async def _save(changes: Changes, email: str, session: Session, request: Request) -> None:
    default = service_of(request, Notifier).time_zone
    preferences = PreferencesRepository(session)
    subscriptions = SubscriptionRepository(session, time_zone=default)
    # As all do who end or begin something of a person's: nobody waits in a ring.
    await alone_with(session, email)
    if changes.end:
        await preferences.end(email, changes.end)
    for each in await preferences.of(email, to_change=True):
        await subscriptions.deliver(
            each,
            Delivery(
                frequency=changes.frequency.get(each.id, each.frequency),
                time_zone=changes.time_zone or each.time_zone or default,
            ),
        )


async def _owner(token: str, session: Session) -> str | None:
    return await PreferencesRepository(session).owner(token) if well_formed(token) else None


async def _page(
    token: str,
    email: str,
    session: Session,
    request: Request,
    *,
    saved: bool = False,
    wrong: Sequence[str] = (),
) -> HTMLResponse:
    repository = PreferencesRepository(session)
    found = await repository.of(email)
    names = await ProductRepository(session).names(
        {each.product_id for each in found[:MOST_SHOWN] if each.product_id is not None}
    )
    default = service_of(request, Notifier).time_zone
    time_zone = next((each.time_zone for each in found if each.time_zone), default)
    return page(
        "preferences",
        status.HTTP_422_UNPROCESSABLE_CONTENT if wrong else status.HTTP_200_OK,
        state="show",
        token=token,
        email=email,
        items=[_shown(each, names) for each in found[:MOST_SHOWN]],
        more=len(found) > MOST_SHOWN,
        frequencies=FREQUENCIES,
        time_zone=time_zone,
        time_zones=_choices(time_zone),
        saved=saved,
        wrong=wrong,
    )


def _shown(subscription: Subscription, names: Mapping[UUID, str]) -> Shown:
    product_id = subscription.product_id
    return Shown(
        id=subscription.id,
        topic=subscription.topic,
        product_name=None if product_id is None else names.get(product_id, ""),
        target=target_text(subscription.target_minor, subscription.currency),
        frequency=subscription.frequency,
    )


def _choices(chosen: str) -> Sequence[tuple[str, Sequence[str]]]:
    """The time zones to choose from, by area: those named after places, UTC, and the chosen one."""
    names = {name for name in time_zones() if _area(name) in _AREAS} | {chosen}
    return [(area, list(each)) for area, each in groupby(sorted(names, key=_order), _area)]


def _area(name: str) -> str:
    return name.partition("/")[0]


def _order(name: str) -> tuple[str, str]:
    return _area(name), name
