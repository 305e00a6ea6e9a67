"""The files of pages: their style, their scripts, their icon."""

from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

_FOLDER = Path(__file__).parent.parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_GOOD = "public, max-age=31536000, immutable"
"""A year: under the version that is asked for stands nothing else, ever."""

# Its query is a version, and has no parameters to guard.
router = APIRouter(include_in_schema=False)


@cache
def _versions() -> dict[str, str]:
    """By name, what tells the content of a file from any other."""
    files = [each for each in _FOLDER.iterdir() if each.suffix in _TYPES]
    return {each.name: sha256(each.read_bytes()).hexdigest()[:12] for each in files}


def static(name: str) -> str:
    """The path of a file of `static/`, which changes with its content."""
    return f"/static/{name}?{_versions()[name]}"


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def answer(request: Request, name: str) -> Response:
    version = _versions().get(name)
    if version is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    path = _FOLDER / name
    kept = FOR_GOOD if request.url.query == version else "no-cache"
    headers = {"Cache-Control": kept, "Cross-Origin-Resource-Policy": "same-origin"}
    return FileResponse(path, headers=headers, media_type=_TYPES[path.suffix])
