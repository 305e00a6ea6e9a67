"""The programs of a service over REST. Every service has this."""

from collections.abc import Sequence
from typing import Self

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.http import problems
from heliograph.programs import Programs, Running
from heliograph.web.auth import requires
from heliograph.web.route import GuardedRoute


class RunningProgram(BaseModel):
    """A program that was up within the last 30 seconds, as it told at `seen_at`.

    `why` says in one line what does not work: null if everything does. One that is `ready` does its
    job in spite of it.
    """

    model_config = ConfigDict(from_attributes=True)

    name: str
    roles: Sequence[str]
    version: str
    started_at: AwareDatetime
    seen_at: AwareDatetime
    ready: bool
    why: str | None


class RunningPrograms(BaseModel):
    """Programs, first the one that has been up for the longest."""

    items: Sequence[RunningProgram]

    @classmethod
    def of(cls, programs: Sequence[Running]) -> Self:
        return cls(items=[RunningProgram.model_validate(each) for each in programs])


def programs_router(service: str, programs: Programs) -> APIRouter:
    """The route `/v1/programs` over the service's programs, for the scope `<service>:admin`."""
    router = APIRouter(
        prefix="/v1/programs",
        route_class=GuardedRoute,
        tags=["programs"],
        dependencies=[requires(f"{service}:admin")],
        responses=problems("unauthenticated", "forbidden"),
    )

    @router.get("", summary="List the programs of the service that are up")
    async def list_programs() -> RunningPrograms:
        return RunningPrograms.of(await programs.running())

    return router
