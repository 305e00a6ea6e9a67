"""`/v1/images/{key}`: the bytes of an image."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from heliograph.http import ProblemError, problems
from heliograph.storage import CONTENT_TYPES, is_key
from heliograph.web import GuardedRoute
from services.catalog.api.dependencies import OwnCatalog
from services.catalog.api.etags import IfNoneMatch, etag, unchanged

HEADERS = {
    # A key is never used for other bytes.
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(prefix="/v1/images", tags=["images"], route_class=GuardedRoute)


@router.head("/{key}", include_in_schema=False)
@router.get(
    "/{key}",
    summary="Get the bytes of an image",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in CONTENT_TYPES.values()
            },
        },
        304: {"description": "The client has this file."},
        **problems("not-found"),
    },
)
async def read_file(
    key: str, catalog: OwnCatalog, request: Request, if_none_match: IfNoneMatch = None
) -> Response:
    found = await catalog.images.get(key) if is_key(key) else None
    if found is None:
        raise ProblemError("not-found", "There is no image under this key.")
    headers = {**HEADERS, "ETag": etag(key)}
    if same := unchanged(if_none_match, headers):
        return same
    headers["Content-Length"] = str(found.size)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=found.content_type)
    return StreamingResponse(found.chunks(), headers=headers, media_type=found.content_type)
