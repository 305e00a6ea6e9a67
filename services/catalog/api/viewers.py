"""`/v1/viewers/{viewer}`: forget who viewed products."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from heliograph.web.problems import problems
from services.catalog.api.dependencies import Admin
from services.catalog.viewers import Viewers

router = APIRouter(prefix="/v1/viewers", tags=["views"])


async def _viewers(request: Request) -> Viewers:
    viewers: Viewers = request.app.state.service.viewers
    return viewers


# The subject of a token may have a slash.
@router.delete(
    "/{viewer:path}",
    summary="Forget which products somebody viewed; the counts stay",
    description="Views that are still on their way to the counts are recorded when they arrive: "
    "to forget those too, ask again a little later.",
    status_code=204,
    responses=problems("unauthenticated", "forbidden"),
)
async def forget_viewer(
    viewer: Annotated[str, Path(description="The subject of the viewer's token.")],
    caller: Admin,
    viewers: Annotated[Viewers, Depends(_viewers)],
) -> None:
    await viewers.forget(viewer)
