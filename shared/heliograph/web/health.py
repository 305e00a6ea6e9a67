"""Health as routes of an API, described in its OpenAPI document."""

from fastapi import APIRouter, Response

from heliograph.http import Health, Liveness, Readiness


def health_router(health: Health) -> APIRouter:
    """The routes `/health/live` and `/health/ready`."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.head("/live", include_in_schema=False)
    @router.get("/live", summary="Does the process live?")
    async def live() -> Liveness:
        return Liveness()

    @router.head("/ready", include_in_schema=False)
    @router.get(
        "/ready",
        summary="Can the process do its job?",
        response_model_exclude_none=True,
        responses={503: {"model": Readiness, "description": "It cannot do its job."}},
    )
    async def ready(response: Response) -> Readiness:
        readiness = await health.readiness()
        response.status_code = readiness.http_status
        return readiness

    return router
