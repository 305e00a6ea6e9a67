"""Routes that look at the caller's token and at the names of parameters before anything else."""

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from heliograph.http import NameTwice, ProblemError

PATCHES = ("application/merge-patch+json", "application/json")
"""Media types of a patch (RFC 7396)."""

LONGEST_NAME = 100

_SEQUENCES = frozenset({list, set, frozenset, tuple, Sequence})


class GuardedRoute(APIRoute):
    """Answers 401 and 403 before a byte of the body is asked for, then what else is odd.

    FastAPI by itself reads and parses a body before it asks any dependency: a stranger would have
    megabytes parsed, and be told what is wrong with them. It ignores parameters of the query that
    the endpoint does not name, a misspelt filter too, and all but the last of one that comes twice,
    and of a name that stands twice in a body; the coding of a body; and that a patch may be one of
    another kind than its endpoint's.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        guards = tuple(_guards(self.dependant))
        reads_body = self.body_field is not None
        parameters = _parameters(self.dependant)

        async def answer(request: Request) -> Response:
            odd = _odd(request, parameters) if request.scope["query_string"] else None
            if odd or reads_body:
                for guard in guards:
                    await guard(request)
            if odd:
                raise RequestValidationError(odd)
            if reads_body:
                _check_coding(request)
                request = _StrictRequest(request.scope, request.receive)
            return await handle(request)

        return answer


class _StrictRequest(Request):
    async def json(self) -> Any:
        return json.loads(await self.body(), object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, _), *_] = Counter(name for name, _ in pairs).most_common(1)
        raise NameTwice(f"{name[:LONGEST_NAME]!r} stands twice in an object")
    return found


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


def media_type(request: Request) -> str:
    """The type that the request says of its body, without its parameters; empty if it says none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_coding(request: Request) -> None:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise ProblemError(
            "unsupported-media-type",
            "A body is taken as it is, without a Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )
    kind = media_type(request)
    # FastAPI takes all that ends so for JSON, a list of operations (RFC 6902) for one object.
    if request.method == "PATCH" and kind.endswith("+json") and kind not in PATCHES:
        raise ProblemError(
            "unsupported-media-type",
            f"A patch is taken as {' or '.join(PATCHES)}.",
            headers={"Accept-Patch": ", ".join(PATCHES)},
        )


def _parameters(dependant: Dependant) -> Mapping[str, bool]:
    """The parameters that a query may have, and whether each may come more than once."""
    alone = Dependant(query_params=list(_queries(dependant)))
    return {
        field.alias: _is_sequence(field.field_info.annotation) for field in get_flat_params(alone)
    }


def _queries(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for each in dependant.dependencies:
        yield from _queries(each)


def _is_sequence(annotation: object) -> bool:
    origin = get_origin(annotation) or annotation
    if origin in (Union, UnionType):
        return any(_is_sequence(each) for each in get_args(annotation))
    return origin in _SEQUENCES


def _odd(request: Request, parameters: Mapping[str, bool]) -> list[dict[str, Any]]:
    """What is wrong with the names in the query."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    return [
        {
            "type": "extra_forbidden" if name not in parameters else "too_long",
            "loc": ("query", name),
            "msg": "There is no such parameter" if name not in parameters else "Given twice",
        }
        for name, count in counts.items()
        if name not in parameters or (count > 1 and not parameters[name])
    ]
