"""Routes that look at the caller's token before they read a body."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase


class GuardedRoute(APIRoute):
    """Answers 401 and 403 before a byte of the body is asked for.

    FastAPI by itself reads and parses a body before it asks any dependency: a stranger would have
    megabytes parsed, and be told what is wrong with them.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        guards = tuple(_guards(self.dependant))
        if self.body_field is None or not guards:
            return handle

        async def answer(request: Request) -> Response:
            for guard in guards:
                await guard(request)
            return await handle(request)

        return answer


def check_guards(router: APIRouter) -> None:
    """Raise `TypeError` if a route of the router reads a body before it knows the caller."""
    for route in router.routes:
        if (
            isinstance(route, APIRoute)
            and not isinstance(route, GuardedRoute)
            and route.body_field is not None
            and any(_guards(route.dependant))
        ):
            raise TypeError(
                f"{route.path} would read a body before it knows the caller: "
                "let its router have route_class=GuardedRoute"
            )


def _guards(dependant: Dependant) -> Iterator[Callable[..., Coroutine[Any, Any, object]]]:
    for each in dependant.dependencies:
        call: Any = each.call
        if isinstance(call, SecurityBase):
            yield cast("Callable[..., Coroutine[Any, Any, object]]", each.call)
        yield from _guards(each)
