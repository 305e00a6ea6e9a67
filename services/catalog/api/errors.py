"""The problem that each error of the catalog is for its client."""

from functools import partial

import structlog
from fastapi import FastAPI, Request, Response

from heliograph.http import FieldProblem, pointer, problem_response
from heliograph.storage import StoreUnavailable
from services.catalog.errors import (
    Conflict,
    InvalidCursor,
    InvalidPrice,
    KeyReused,
    NotFound,
    PictureInvalid,
    PictureTooCostly,
    PictureTooLarge,
    PictureTypeUnsupported,
    PreconditionFailed,
    UnknownCategory,
)

RETRY_AFTER_S = 2

log = structlog.stdlib.get_logger(__name__)

_NAMES: dict[type[Exception], str] = {
    NotFound: "not-found",
    Conflict: "conflict",
    PreconditionFailed: "precondition-failed",
    PictureTooLarge: "too-large",
    PictureTypeUnsupported: "unsupported-media-type",
}


def handle_errors(app: FastAPI) -> None:
    """Answer the catalog's own errors, and those of its image store, with problems."""
    for error, name in _NAMES.items():
        app.add_exception_handler(error, partial(_named, name))
    app.add_exception_handler(InvalidCursor, _misplaced)
    app.add_exception_handler(InvalidPrice, _mispriced)
    app.add_exception_handler(KeyReused, _reused)
    app.add_exception_handler(UnknownCategory, _uncategorised)
    app.add_exception_handler(PictureInvalid, _unacceptable)
    app.add_exception_handler(PictureTooCostly, _unacceptable)
    app.add_exception_handler(StoreUnavailable, _store_away)


async def _named(name: str, request: Request, error: Exception) -> Response:
    return problem_response(name, str(error))


async def _misplaced(request: Request, error: Exception) -> Response:
    return problem_response("invalid", errors=[FieldProblem(detail=str(error), parameter="after")])


async def _uncategorised(request: Request, error: Exception) -> Response:
    return problem_response("invalid", str(error))


async def _mispriced(request: Request, error: Exception) -> Response:
    if not isinstance(error, InvalidPrice):
        raise error
    problem = FieldProblem(detail=str(error), pointer=pointer(error.field))
    return problem_response("invalid", "The price does not fit.", errors=[problem])


async def _reused(request: Request, error: Exception) -> Response:
    problem = FieldProblem(detail=str(error), parameter="idempotency-key")
    return problem_response("invalid", errors=[problem])


async def _unacceptable(request: Request, error: Exception) -> Response:
    return problem_response(
        "invalid", errors=[FieldProblem(detail=str(error), pointer=pointer("file"))]
    )


async def _store_away(request: Request, error: Exception) -> Response:
    log.warning("the image store is unavailable", error=str(error))
    return problem_response(
        "unavailable",
        "The store of images is away; try again later.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
