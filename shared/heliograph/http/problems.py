"""Problems: every error that a client sees, as RFC 9457 `application/problem+json`.

An answer never repeats what the client sent, nor what went wrong inside.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from heliograph.errors import HeliographError

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem; its name ends the problem's `type`."""

    status: int
    title: str
    description: str


PROBLEMS: Mapping[str, Kind] = {
    "malformed": Kind(400, "Malformed", "This is no request of HTTP/1.1, or not a sound one."),
    "unauthenticated": Kind(401, "Not authenticated", "The bearer token is missing or invalid."),
    "forbidden": Kind(403, "Not allowed", "The bearer token lacks the scope that is asked for."),
    "not-found": Kind(404, "Not found", "There is nothing here, or no longer."),
    "method-not-allowed": Kind(405, "Method not allowed", "`Allow` names the methods there are."),
    "too-slow": Kind(408, "Too slow", "The headers, or the body, took too long to arrive."),
    "conflict": Kind(409, "Conflict", "The request does not fit what is stored."),
    "refused": Kind(409, "Refused", "A receiver refused the change; nothing was written."),
    "unsubscribed": Kind(
        409, "Unsubscribed", "Nothing is sent to this person until they ask for it themselves."
    ),
    "precondition-failed": Kind(
        412,
        "Precondition failed",
        "`If-Match` does not name the version that there is, or `If-None-Match` rules it out.",
    ),
    "too-large": Kind(413, "Too large", "The body or the file is larger than is allowed here."),
    "url-too-long": Kind(414, "URL too long", "The URL has more than 8 KiB."),
    "unsupported-media-type": Kind(
        415, "Unsupported media type", "The body or the file is not of a type that is taken here."
    ),
    "invalid": Kind(422, "Invalid request", "`errors` says what is wrong and where."),
    "event-too-large": Kind(
        422, "Event too large", "The event that announces the change would be larger than 2 MiB."
    ),
    "too-many-requests": Kind(
        429, "Too many requests", "Too many from one client; try again after `Retry-After` seconds."
    ),
    "headers-too-large": Kind(
        431, "Headers too large", "The headers have more than 32 KiB, or there are more than 100."
    ),
    "internal": Kind(500, "Internal error", "Something failed here; the cause is in our log."),
    "unavailable": Kind(
        503, "Unavailable", "The database is away; try again after `Retry-After` seconds."
    ),
    "busy": Kind(
        503, "Busy", "Every place for a connection is taken; try again after `Retry-After` seconds."
    ),
}
"""Every kind of problem by its name; a status that is not here has the type `about:blank`."""


class FieldProblem(BaseModel):
    """What is wrong with one part of the request, and where it stands."""

    model_config = ConfigDict(extra="allow")

    detail: str
    pointer: str | None = None
    """JSON pointer into the body, as a URI fragment (RFC 6901, section 6)."""
    parameter: str | None = None
    """Name of a parameter of the path or the query, or of a header."""


class Problem(BaseModel):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldProblem] | None = None


class NameTwice(ValueError):
    """A name stands twice in an object of JSON, and readers differ in which of two counts."""


class ProblemError(HeliographError):
    """Raised to answer with the problem of this name, one of `PROBLEMS`."""

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldProblem] = (),
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = tuple(errors)


def problem_type(name: str) -> str:
    """The stable URN of this kind of problem; clients compare it, nothing is found there."""
    return f"urn:heliograph:problem:{name}"


def pointer(*steps: str | int) -> str:
    """The JSON pointer to a part of the body, e.g. `#/update/3/price`."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "#" + "".join("/" + quote(step, safe="~", errors="replace") for step in escaped)


def problems(*names: str) -> dict[int | str, dict[str, Any]]:
    """Document that a route may answer with these problems: `responses=problems("conflict")`."""
    described: dict[int | str, list[str]] = {}
    for name in names:
        kind = PROBLEMS[name]
        described.setdefault(kind.status, []).append(f"{kind.title}: {kind.description}")
    return {
        status: {
            "description": " ".join(descriptions),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, descriptions in described.items()
    }


def problem_response(
    name: str,
    detail: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Iterable[FieldProblem] = (),
) -> Response:
    """The answer that tells of the problem of this name."""
    kind = PROBLEMS[name]
    problem = Problem(
        type=problem_type(name),
        title=kind.title,
        status=kind.status,
        detail=detail or kind.description,
        errors=list(errors) or None,
    )
    return _response(problem, headers)


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        # ASCII holds every string, even one with lone surrogates.
        json.dumps(problem.model_dump(exclude_none=True), allow_nan=False),
        status_code=problem.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer an `HTTPException` of the framework with the problem of its status."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # FastAPI's word for a body that it cannot parse at all.
        wrong = FieldProblem(detail=_why_unreadable(error.__cause__), pointer="#")
        return problem_response("invalid", "The body cannot be read.", errors=[wrong])
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    for name, kind in PROBLEMS.items():
        if kind.status == error.status_code:
            return problem_response(name, headers=headers)
    status = HTTPStatus(error.status_code)
    if status < HTTPStatus.BAD_REQUEST:
        return Response(status_code=status, headers=headers)
    problem = Problem(type="about:blank", title=status.phrase, status=status)
    return _response(problem, headers)


def _why_unreadable(error: BaseException | None) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"Not UTF-8, at byte {error.start}"
    if isinstance(error, RecursionError):
        return "Nested too deeply"
    if isinstance(error, NameTwice):
        return str(error)
    if isinstance(error, ValueError):
        return "A number has too many digits"
    return "Not what its Content-Type says"


def _allowed(request: Request) -> list[str]:
    """The methods of this path: several routes can have it, and each knows its own alone."""
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


async def answer_unexpected(request: Request, error: Exception) -> Response:
    """Answer anything else; the log has the cause."""
    return problem_response("internal")
