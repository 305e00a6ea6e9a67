"""The services that the console asks over REST, each with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, Protocol, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from heliograph import HeliographError, InvalidSetting
from heliograph.logging import masked

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

DEADLINE_S = 1.5
"""Of a call: a page stands within 2 s, whoever is slow."""
ACT_DEADLINE_S = 30.0
"""Of a call that changes something: what becomes of it is to be known."""


class PeerError(HeliographError):
    """A service did not do what it was asked; `why` says it for a person to read."""

    def __init__(self, service: str, why: str, status: int | None = None) -> None:
        super().__init__(f"{service}: {why}")
        self.service = service
        self.why = why
        self.status = status
        """Of its answer; None if there was none."""


class PeerUnavailable(PeerError):
    """It does not answer, or not in time, or cannot now."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a service answered, or why there is nothing of it."""

    service: str
    value: T | None = None
    error: PeerError | None = None

    @property
    def missing(self) -> str | None:
        """Why its part of a page is missing; None if the service answered that there is nothing."""
        if self.error is None or self.error.status == httpx2.codes.NOT_FOUND:
            return None
        return self.error.why


class Address(Protocol):
    """Where a service answers, and what lets the console in."""

    @property
    def name(self) -> str:
        """What the service is called."""

    @property
    def url(self) -> str:
        """Without a slash at the end."""

    def bearer(self) -> str | None:
        """The token of the next call, None for none; raises `InvalidSetting`."""


def read_as(kind: type[M], service: str, value: Any) -> M:
    """Read an answer; raise `PeerError` if it is something else."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        places = {".".join(map(str, each["loc"])) for each in error.errors()[:3]}
        named = ", ".join(sorted(filter(None, places))) or "all of it"
        raise PeerError(service, f"its answer is not understood: {named}") from error


def gaps(*asked: Iterable[Answer[Any]]) -> list[Answer[Any]]:
    """The answers of which a part is missing, each reason of a service once."""
    found: dict[tuple[str, str], Answer[Any]] = {}
    for answer in chain.from_iterable(asked):
        if answer.missing is not None:
            found.setdefault((answer.service, answer.missing), answer)
    return [*found.values()]


class Peer:
    """One service. Raises `PeerUnavailable`, or `PeerError` with the status of its answer."""

    def __init__(self, address: Address, client: httpx2.AsyncClient) -> None:
        self.name = address.name
        self.url = address.url
        self._address = address
        self._client = client

    async def get(self, path: str, **query: str | int | None) -> Any:
        """Read JSON from a path such as `/v1/programs`; parameters that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        response = await self._call("GET", path, DEADLINE_S, params=given)
        return self._json(response)

    async def get_as(self, kind: type[M], path: str, **query: str | int | None) -> M:
        """Read an answer of this kind; one that is something else is a `PeerError`."""
        return read_as(kind, self.name, await self.get(path, **query))

    async def read(self, path: str) -> httpx2.Response:
        """Read whatever stands under a path, such as `/metrics` or a picture."""
        return await self._call("GET", path, DEADLINE_S)

    async def post(self, path: str, payload: object) -> Any:
        """Have something done, and read what became of it as JSON."""
        response = await self._call("POST", path, ACT_DEADLINE_S, json=payload)
        return self._json(response)

    async def _call(self, method: str, path: str, deadline: float, **given: Any) -> httpx2.Response:
        try:
            token = self._address.bearer()
        except InvalidSetting as error:
            raise PeerUnavailable(self.name, str(error)) from error
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            async with asyncio.timeout(deadline):
                response = await self._client.request(
                    method, self.url + path, headers=headers, **given
                )
        except TimeoutError:
            raise PeerUnavailable(self.name, f"no answer within {deadline:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            said = masked(str(error)) or type(error).__name__
            raise PeerUnavailable(self.name, f"cannot be reached: {said}") from error
        if response.is_success:
            return response
        kind = PeerUnavailable if response.is_server_error else PeerError
        raise kind(self.name, _complaint(response), response.status_code)

    def _json(self, response: httpx2.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise PeerError(self.name, "its answer is not JSON", response.status_code) from error


class Peers:
    """All services that the console was told of, in that order."""

    def __init__(
        self,
        addresses: Sequence[Address],
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        # Redirects are not followed: the token would go along.
        self._client = httpx2.AsyncClient(transport=transport, timeout=ACT_DEADLINE_S)
        self._peers = {each.name: Peer(each, self._client) for each in addresses}

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def __len__(self) -> int:
        return len(self._peers)

    def named(self, name: str) -> Peer | None:
        return self._peers.get(name)

    async def ask(self, call: Callable[[Peer], Awaitable[T]]) -> list[Answer[T]]:
        """Make a call to each of them at once; one that fails is missing, and the others are not.

        `call` may raise what a `Peer` raises.
        """

        async def one(peer: Peer) -> Answer[T]:
            try:
                return Answer(peer.name, await call(peer))
            except PeerError as error:
                return Answer(peer.name, error=error)

        return await asyncio.gather(*(one(each) for each in self))

    async def close(self) -> None:
        await self._client.aclose()


def _complaint(response: httpx2.Response) -> str:
    """What an answer says is wrong: a problem's detail, else its status."""
    try:
        problem = response.json()
        said = str(problem.get("detail") or problem.get("title") or "")
    except (ValueError, AttributeError):
        said = ""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    return f"answered {status}: {masked(said[:500])}" if said else f"answered {status}"
