"""Every error of an application, answered with a problem."""

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.datastructures import FormData
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from heliograph.errors import DatabaseUnavailable, Deadlock, EventTooLarge, Refused
from heliograph.http import (
    FieldProblem,
    ProblemError,
    answer_http_error,
    answer_unexpected,
    pointer,
    problem_response,
)
from heliograph.web.route import media_type

log = structlog.stdlib.get_logger(__name__)

RETRY_AFTER = 2
"""Seconds after which a client may try again when the database was away."""
MOST_ERRORS = 50
LONGEST_POINTER = 200


def handle_problems(app: FastAPI) -> None:
    """Answer every error of this application with a problem."""
    app.add_exception_handler(ProblemError, _raised)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(EventTooLarge, _too_large)
    app.add_exception_handler(Deadlock, _deadlocked)
    app.add_exception_handler(DatabaseUnavailable, _unavailable)
    app.add_exception_handler(Exception, answer_unexpected)


async def _raised(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error.name, error.detail, headers=error.headers, errors=error.errors)


async def _refused(request: Request, error: Exception) -> Response:
    return problem_response("refused", str(error))


async def _too_large(request: Request, error: Exception) -> Response:
    return problem_response("event-too-large", f"Nothing was changed: {error}.")


async def _deadlocked(request: Request, error: Exception) -> Response:
    return problem_response("conflict", str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    log.warning("the database is unavailable", error=str(error))
    return problem_response("unavailable", headers={"Retry-After": str(RETRY_AFTER)})


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    if _is_of_another_type(request, error.body):
        return problem_response("unsupported-media-type")
    return problem_response(
        "invalid", errors=[_field(each) for each in error.errors()[:MOST_ERRORS]]
    )


def _is_of_another_type(request: Request, body: object) -> bool:
    """Whether FastAPI left the body unread as its media type is not the one of the route."""
    if isinstance(body, FormData):
        forms = {"", "multipart/form-data", "application/x-www-form-urlencoded"}
        return media_type(request) not in forms
    return isinstance(body, bytes)


def _field(error: Mapping[str, Any]) -> FieldProblem:
    place, *steps = error["loc"]
    detail = str(error["msg"]).removeprefix("Value error, ")
    if place != "body":
        return FieldProblem(detail=detail, parameter=_clean(".".join(map(str, steps))))
    if error["type"] == "json_invalid":
        return FieldProblem(detail=f"Not JSON, at character {steps[0]}", pointer="#")
    return FieldProblem(detail=_clean(detail), pointer=pointer(*steps)[:LONGEST_POINTER])


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:LONGEST_POINTER]
