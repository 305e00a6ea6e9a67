"""Bearer tokens that a service signs and checks itself.

A token is a JWT (RFC 7519) signed with HS256 and the service's secret key. It names its
subject and, as RFC 8693 writes them, its scopes; its audience are the services of these. Needs
the extra `service`.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import SecretStr

from heliograph.errors import HeliographError
from heliograph.extras import extra
from heliograph.settings import ServiceSettings, refuse_development_key

with extra("service"):
    import jwt

ALGORITHM = "HS256"
ISSUER = "heliograph"
TYPE = "at+jwt"
"""RFC 9068 2.1: whatever else one of our keys signs says that it is something else."""
SCOPE = re.compile(r"([a-z][a-z0-9_-]*):(?:read|write|admin)")
"""A service and what may be done there."""
LEEWAY = timedelta(seconds=5)
"""How far the clocks of two machines may be apart."""
LIFETIME = timedelta(hours=12)
LONGEST_SUBJECT = 200
LONGEST_TOKEN = 4096
KNOWN_TOKENS = 1000
"""So many verified tokens are remembered, those that were used last."""
EXPIRED = "The token has expired."

# Of none and of `JWT` are the tokens that others sign with the key.
_TYPES = {TYPE, f"application/{TYPE}", "jwt", ""}


class InvalidToken(HeliographError):
    """A token that does not prove who calls; the message says why, for the caller to read."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token says is calling, and what that caller may do."""

    subject: str
    scopes: frozenset[str] = frozenset()


class Tokens:
    """Issues the tokens of one secret key, and verifies those that are for one service.

    Tokens that were signed with the key before, `previous`, are good until they expire.
    """

    def __init__(
        self, secret: SecretStr, service: str, *, previous: SecretStr | None = None
    ) -> None:
        self._service = service
        self._keys = {
            _fingerprint(each): each.get_secret_value()
            for each in (secret, previous)
            if each is not None
        }
        self._kid = _fingerprint(secret)
        # Callers send the same token again and again; one that is refused is not kept.
        self._known = lru_cache(KNOWN_TOKENS)(self._decode)

    @classmethod
    def of(cls, service: str, settings: ServiceSettings) -> "Tokens":
        """With the keys of these settings; raise `InvalidSetting` if everybody knows one."""
        refuse_development_key(settings)
        return cls(settings.secret_key, service, previous=settings.secret_key_previous)

    def issue(self, subject: str, scopes: Sequence[str], lifetime: timedelta = LIFETIME) -> str:
        """Sign a token for the services of these scopes; for this one if there are none.

        Raises `InvalidToken` if it could not be verified later.
        """
        services = {_service_of(scope) for scope in scopes} or {self._service}
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": sorted(services),
            "sub": checked_subject(subject),
            "iat": now,
            "exp": now + lifetime,
            "scope": " ".join(scopes),
        }
        header = {"typ": TYPE, "kid": self._kid}
        token = jwt.encode(claims, self._keys[self._kid], algorithm=ALGORITHM, headers=header)
        if len(token) > LONGEST_TOKEN:
            raise InvalidToken(f"The token has more than {LONGEST_TOKEN} characters.")
        return token

    def verify(self, token: str) -> Caller:
        """Who the token stands for; raise `InvalidToken` unless it is ours and still valid."""
        caller, expires = self._known(token)
        if expires <= (datetime.now(UTC) - LEEWAY).timestamp():
            raise InvalidToken(EXPIRED)
        return caller

    def expires(self, token: str) -> int:
        """When a token that is ours expires, in seconds since 1970; raise `InvalidToken`."""
        return self._known(token)[1]

    def _decode(self, token: str) -> tuple[Caller, int]:
        """Who the token stands for, and when it expires, in seconds since 1970."""
        if len(token) > LONGEST_TOKEN:
            raise InvalidToken(f"The token has more than {LONGEST_TOKEN} characters.")
        try:
            claims = self._claims(token)
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken(EXPIRED) from error
        except jwt.InvalidAudienceError as error:
            raise InvalidToken("The token is for another service.") from error
        except (jwt.InvalidTokenError, ValueError, OverflowError, RecursionError) as error:
            # The last three: JSON that is deep, or numbers that are large.
            raise InvalidToken("The token is not valid here.") from error
        scope = claims.get("scope", "")
        if not isinstance(scope, str):
            raise InvalidToken("The token's scope is not text.")
        caller = Caller(checked_subject(claims["sub"]), frozenset(scope.split()))
        return caller, int(claims["exp"])

    def _claims(self, token: str) -> dict[str, Any]:
        """What the token says, by one of our keys; raises what PyJWT does."""
        header = jwt.get_unverified_header(token)
        if str(header.get("typ", "")).lower() not in _TYPES:
            raise jwt.InvalidTokenError("not a bearer token")
        # Others who have the key need not name it.
        kids = [header["kid"]] if "kid" in header else [*self._keys]
        error = jwt.InvalidTokenError("a key that is not known here")
        for key in (self._keys[kid] for kid in kids if kid in self._keys):
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key,
                    algorithms=[ALGORITHM],
                    audience=self._service,
                    issuer=ISSUER,
                    leeway=LEEWAY,
                    options={"require": ["exp", "iss", "aud", "sub"]},
                )
                return claims
            except jwt.InvalidSignatureError as wrong:
                error = wrong
        raise error


def _fingerprint(key: SecretStr) -> str:
    """Tells a key from others and says nothing more of it than any signature does."""
    return hmac.digest(key.get_secret_value().encode(), b"kid", hashlib.sha256)[:8].hex()


def _service_of(scope: str) -> str:
    found = SCOPE.fullmatch(scope)
    if found is None:
        raise InvalidToken(
            f"{scope!r} is not a scope: write SERVICE:read, SERVICE:write or SERVICE:admin"
        )
    return found[1]


def checked_subject(subject: str) -> str:
    """The subject; raise `InvalidToken` if a token could not carry it."""
    if not subject or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise InvalidToken(
            f"The subject of a token is 1 to {LONGEST_SUBJECT} printable characters."
        )
    return subject
