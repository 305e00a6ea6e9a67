"""What goes wrong on a page is answered with a page, for who reads pages."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Request
from starlette.responses import Response

from heliograph.http import MEDIA_TYPE, PROBLEMS, problem_type
from services.console.api.dependencies import NotSignedIn
from services.console.api.pages import local_path, page, see_other

# What programs ask for, whatever they say that they read.
_FOR_PROGRAMS = ("v1", "health", "metrics", "openapi.json", "asyncapi.json")

# Problems are described to who writes programs.
_WORDS = {
    "invalid": "The address or the form has something that is not understood here.",
    "method-not-allowed": "This page is not asked for in this way.",
    "unavailable": "The console's database is away. Load the page again in a moment.",
}
NOT_DONE = "Your session has ended, and nothing was done. Sign in, and do it again."

Handler = Callable[[Request, Any], Awaitable[Response]]


def answer_errors_with_pages(app: FastAPI) -> None:
    """Answer with a page what is answered with a problem, where a browser asks for a page."""
    for kind, handler in [*app.exception_handlers.items()]:
        # They are all coroutines.
        app.add_exception_handler(kind, _with_page(cast("Handler", handler)))


def _with_page(handler: Handler) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        answered = await handler(request, error)
        if answered.media_type != MEDIA_TYPE or not _wants_page(request):
            return answered
        return _sign_in(request) if isinstance(error, NotSignedIn) else _wrong(request, answered)

    return answer


def _wants_page(request: Request) -> bool:
    """Whether who asks reads HTML, as browsers say that they do, and asks for a page."""
    first = request.url.path.split("/")[1]
    return first not in _FOR_PROGRAMS and "text/html" in request.headers.get("accept", "")


def _sign_in(request: Request) -> Response:
    """Lead to where one signs in, and back afterwards; say so if a form was not heard."""
    if request.method in {"GET", "HEAD"}:
        asked = request.scope.get("raw_path", b"/") + b"?" + request.scope["query_string"]
        there = local_path(asked.decode("latin-1").rstrip("?"))
        return see_other("/sign-in" if there == "/" else f"/sign-in?{urlencode({'next': there})}")
    if request.url.path == "/sign-out":
        return see_other("/sign-in")
    came_from = urlsplit(request.headers.get("referer", ""))
    there = local_path(came_from._replace(scheme="", netloc="", fragment="").geturl())
    return page("sign_in", None, status=403, said=NOT_DONE, next=there)


def _wrong(request: Request, answered: Response) -> Response:
    problem = json.loads(bytes(answered.body))
    said = problem.get("detail", "")
    for name, words in _WORDS.items():
        if problem["type"] == problem_type(name) and said == PROBLEMS[name].description:
            said = words
    response = page(
        "wrong",
        getattr(request.state, "viewer", None),
        status=answered.status_code,
        title=problem["title"],
        said=said,
        errors=problem.get("errors", []),
    )
    for name in ("retry-after", "allow"):
        if name in answered.headers:
            response.headers[name] = answered.headers[name]
    return response
