"""Who calls: the bearer tokens of requests."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, params
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param

from heliograph.http import ProblemError
from heliograph.tokens import Caller, InvalidToken
from heliograph.web.app import application_of


class _Bearer(SecurityBase):
    """Reads the bearer token, as one dependency: FastAPI takes its time for each."""

    model = HTTPBearer(bearerFormat="JWT", description="A signed JWT.")
    scheme_name = "bearer"

    def caller(self, request: Request) -> Caller | None:
        """Who calls; a token that is not valid is answered with 401."""
        authorization = request.headers.get("authorization")
        if authorization is None:
            return None
        scheme, token = get_authorization_scheme_param(authorization)
        if scheme.lower() != "bearer" or not token:
            raise _unauthenticated("The Authorization header holds no bearer token.", invalid=True)
        try:
            return application_of(request).tokens.verify(token)
        except InvalidToken as error:
            raise _unauthenticated(str(error), invalid=True) from error


class _Optional(_Bearer):
    async def __call__(self, request: Request) -> Caller | None:
        return self.caller(request)


OptionalCaller = Annotated[Caller | None, Depends(_Optional())]
"""Who calls, None without a token; a token that is not valid is answered with 401."""


@dataclass(frozen=True)
class _Requires(_Bearer):
    scope: str

    async def __call__(self, request: Request) -> Caller:
        caller = self.caller(request)
        if caller is None:
            raise _unauthenticated("This needs a bearer token.")
        if self.scope not in caller.scopes:
            challenge = f'Bearer error="insufficient_scope", scope="{self.scope}"'
            raise ProblemError(
                "forbidden",
                f"The token lacks the scope {self.scope}.",
                headers={"WWW-Authenticate": challenge},
            )
        return caller


def requires(scope: str) -> params.Depends:
    """Let only callers with `scope` in, and hand the `Caller` to who asks for it.

    Written as `Annotated[Caller, requires("catalog:write")]`. Answers 401 without a valid
    token and 403 without the scope, each with the challenge of RFC 6750.
    """
    return params.Depends(_Requires(scope))


def _unauthenticated(detail: str, *, invalid: bool = False) -> ProblemError:
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return ProblemError(
        "unauthenticated",
        detail,
        headers={"WWW-Authenticate": challenge if invalid else "Bearer"},
    )
