"""`/docs`: the API's document as a page, Swagger UI. It loads nothing from elsewhere."""

from collections.abc import Awaitable, Callable
from html import escape
from importlib.util import find_spec
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from heliograph.errors import MissingExtra
from heliograph.http import NamedRoute

SOURCE = "fastapi_swagger"
"""A wheel that carries the files of Swagger UI as they are released; none of its code is run."""

HEADERS = {
    # No script, style or frame but our own files. Swagger UI's icons are `data:` URLs of its style.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FILE_HEADERS = {
    **HEADERS,
    "Cache-Control": "public, max-age=3600",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")

# Relative, for the page may be served below another path by a proxy.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""


def add_docs(app: Starlette, title: str) -> None:
    """Answer `/docs` with a page, and the files that it needs below.

    Raises `MissingExtra` if Swagger UI is not installed.
    """
    directory = _directory()
    page = _PAGE.format(title=escape(title))

    async def show(_request: Request) -> Response:
        return HTMLResponse(page, headers=HEADERS)

    async def start(_request: Request) -> Response:
        return Response(_START, headers=FILE_HEADERS, media_type="text/javascript")

    app.router.routes += [
        NamedRoute("/docs", show),
        NamedRoute("/docs/start.js", start),
        *(NamedRoute(f"/docs/{name}", _file(directory / name)) for name in _FILES),
    ]


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return FileResponse(path, headers=FILE_HEADERS)

    return answer


def _directory() -> Path:
    # Found and not imported: the files are all that we want of it.
    found = find_spec(SOURCE)
    if found is None or found.origin is None:
        raise MissingExtra(
            f"{SOURCE} is not installed: pip install 'heliograph[service]'", name=SOURCE
        )
    return Path(found.origin).parent / "resources"
