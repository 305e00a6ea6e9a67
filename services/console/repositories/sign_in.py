"""Who is signed in, and by which links one can: only hashes of secrets are kept."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete, select, update

from heliograph import HeliographError
from heliograph.database import Session, database_now
from services.console.models import BrowserSession, SignInLink

SESSION_LASTS = timedelta(hours=12)
LINK_LASTS = timedelta(hours=1)


class LinkNotGood(HeliographError):
    """A link does not sign in any more; says why, for who followed it."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who looks: a person's subject, what they may do, and the CSRF token of their session."""

    person: str
    scopes: frozenset[str]
    csrf: str
    parked: int = 0
    """How many events are parked, which every page says beside the way there."""

    @property
    def acts(self) -> bool:
        """Whether they may act, and see addresses and viewers in full."""
        return "console:admin" in self.scopes


class SignInRepository:
    """Sessions and links."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def make_link(self, person: str, scopes: frozenset[str]) -> str:
        """Make a link's token, which signs in once."""
        token = secrets.token_urlsafe(32)
        self.session.add(
            SignInLink(
                hash=_hash(token),
                person=person,
                scopes=" ".join(sorted(scopes)),
                expires_at=database_now(LINK_LASTS.total_seconds()),
            )
        )
        return token

    async def follow_link(self, token: str) -> tuple[str, frozenset[str]]:
        """Use a link up; return whom it signs in and for what.

        Raises `LinkNotGood`. Of two that follow it at once, one is signed in.
        """
        this = (SignInLink.hash == _hash(token), SignInLink.expires_at > database_now())
        found = (
            await self.session.execute(
                update(SignInLink)
                .where(*this, SignInLink.used_at.is_(None))
                .values(used_at=database_now())
                .returning(SignInLink.person, SignInLink.scopes)
            )
        ).one_or_none()
        if found is not None:
            return found.person, frozenset(found.scopes.split())
        if await self.session.scalar(select(SignInLink.hash).where(*this)) is not None:
            raise LinkNotGood("This link has signed somebody in already: each does so once.")
        raise LinkNotGood("This link is not known here, or it is older than an hour.")

    async def begin(
        self, person: str, scopes: frozenset[str], lasts: timedelta = SESSION_LASTS
    ) -> str:
        """Begin a session; return what its cookie holds."""
        secret = secrets.token_urlsafe(32)
        self.session.add(
            BrowserSession(
                hash=_hash(secret),
                csrf=secrets.token_urlsafe(32),
                person=person,
                scopes=" ".join(sorted(scopes)),
                started_at=database_now(),
                expires_at=database_now(lasts.total_seconds()),
            )
        )
        return secret

    async def signed_in(self, secret: str) -> SignedIn | None:
        """Whose session it is; None if there is none, or no longer."""
        found = await self.session.scalar(
            select(BrowserSession).where(
                BrowserSession.hash == _hash(secret), BrowserSession.expires_at > database_now()
            )
        )
        if found is None:
            return None
        return SignedIn(found.person, frozenset(found.scopes.split()), found.csrf)

    async def last(self, secrets: Collection[str]) -> set[str]:
        """Which of these sessions have not ended."""
        hashes = {_hash(each): each for each in secrets}
        found = await self.session.scalars(
            select(BrowserSession.hash).where(
                BrowserSession.hash.in_(hashes), BrowserSession.expires_at > database_now()
            )
        )
        return {hashes[each] for each in found}

    async def end(self, secret: str) -> None:
        """End a session; one that has ended is fine."""
        await self.session.execute(
            delete(BrowserSession).where(BrowserSession.hash == _hash(secret))
        )

    async def prune(self) -> int:
        """Forget what has expired; return how many sessions and links."""
        gone = [
            *await self.session.scalars(
                delete(BrowserSession)
                .where(BrowserSession.expires_at < database_now())
                .returning(BrowserSession.hash)
            ),
            *await self.session.scalars(
                delete(SignInLink)
                .where(SignInLink.expires_at < database_now())
                .returning(SignInLink.hash)
            ),
        ]
        return len(gone)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
