"""Bearer tokens that a service signs and checks itself.

A token is a JWT (RFC 7519) signed with HS256 and the service's secret key. It names its
subject and, as RFC 8693 writes them, its scopes. Needs the extra `service`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import SecretStr

from heliograph.errors import HeliographError
from heliograph.extras import extra

with extra("service"):
    import jwt

ALGORITHM = "HS256"
AUDIENCE = ISSUER = "heliograph"
LEEWAY = timedelta(seconds=5)
"""How far the clocks of two machines may be apart."""
LIFETIME = timedelta(hours=12)
LONGEST_SUBJECT = 200
LONGEST_TOKEN = 4096
KNOWN_TOKENS = 1000
"""So many verified tokens are remembered, those that were used last."""
EXPIRED = "The token has expired."


class InvalidToken(HeliographError):
    """A token that does not prove who calls; the message says why, for the caller to read."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token says is calling, and what that caller may do."""

    subject: str
    scopes: frozenset[str] = frozenset()


class Tokens:
    """Issues and verifies the tokens of one secret key."""

    def __init__(self, secret: SecretStr) -> None:
        self._secret = secret
        # Callers send the same token again and again; one that is refused is not kept.
        self._known = lru_cache(KNOWN_TOKENS)(self._decode)

    def issue(self, subject: str, scopes: list[str], lifetime: timedelta = LIFETIME) -> str:
        """Sign a token; raise `InvalidToken` if it could not be verified later."""
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": _checked_subject(subject),
            "iat": now,
            "exp": now + lifetime,
            "scope": " ".join(scopes),
        }
        token = jwt.encode(claims, self._secret.get_secret_value(), algorithm=ALGORITHM)
        if len(token) > LONGEST_TOKEN:
            raise InvalidToken(f"The token has more than {LONGEST_TOKEN} characters.")
        return token

    def verify(self, token: str) -> Caller:
        """Who the token stands for; raise `InvalidToken` unless it is ours and still valid."""
        caller, expires = self._known(token)
        if expires <= (datetime.now(UTC) - LEEWAY).timestamp():
            raise InvalidToken(EXPIRED)
        return caller

    def _decode(self, token: str) -> tuple[Caller, int]:
        """Who the token stands for, and when it expires, in seconds since 1970."""
        if len(token) > LONGEST_TOKEN:
            raise InvalidToken(f"The token has more than {LONGEST_TOKEN} characters.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret.get_secret_value(),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken(EXPIRED) from error
        except (jwt.InvalidTokenError, ValueError, OverflowError, RecursionError) as error:
            # The last three: JSON that is deep, or numbers that are large.
            raise InvalidToken("The token is not valid here.") from error
        scope = claims.get("scope", "")
        if not isinstance(scope, str):
            raise InvalidToken("The token's scope is not text.")
        caller = Caller(_checked_subject(claims["sub"]), frozenset(scope.split()))
        return caller, int(claims["exp"])


def _checked_subject(subject: str) -> str:
    if not subject or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise InvalidToken(
            f"The subject of a token is 1 to {LONGEST_SUBJECT} printable characters."
        )
    return subject
