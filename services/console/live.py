"""Events as they come: one reader of the database for all browsers of the process."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from heliograph import HeliographError
from heliograph.database import Database
from heliograph.errors import DatabaseUnavailable
from services.console.repositories.events import EventRepository
from services.console.repositories.listed import Filters, ListedEvent
from services.console.repositories.sign_in import SignInRepository

TURN_S = 0.3
"""Between two looks at the database."""
MOST_WATCHERS = 50
"""Browsers that watch at once."""
MOST_SHOWN = 25
"""Events that a watcher is given at a time: nobody can read more of them in a turn."""
MOST_READ = 5_000
"""Events of one look."""
LOOK_BACK = 5_000
"""Ids before the newest among which some may be missing when the reader begins."""
LATE_S = 20.0
"""How long a missing id is looked for: more than a receiver's transaction may take."""
MOST_MISSING = 10_000
SESSIONS_S = 2.0
"""Between two looks at who is still signed in."""

log = structlog.stdlib.get_logger("console")


class TooManyWatchers(HeliographError):
    """As many browsers watch as may."""


@dataclass(frozen=True, slots=True)
class News:
    """What has come since a watcher last looked."""

    shown: list[ListedEvent]
    """The newest of them, oldest first, at most `MOST_SHOWN`."""
    count: int
    """Of all that its filters let through."""


class Watcher:
    """One browser's share: it holds the newest events, and counts, however slowly it is read."""

    def __init__(self, filters: Filters, secret: str) -> None:
        self.filters = filters
        self.secret = secret
        """Of the session that it lasts as long as."""
        self.signed_out = False
        self._shown: deque[ListedEvent] = deque(maxlen=MOST_SHOWN)
        self._count = 0
        self._told = asyncio.Event()

    def offer(self, events: Iterable[ListedEvent]) -> None:
        found = [each for each in events if self.filters.let_through(each)]
        if found:
            self._shown.extend(found)
            self._count += len(found)
            self._told.set()

    def end(self) -> None:
        """Its session has ended."""
        self.signed_out = True
        self.wake()

    def wake(self) -> None:
        """Let who waits for news look, though there may be none."""
        self._told.set()

    async def news(self) -> News:
        """Wait until something has come, or somebody wakes it."""
        await self._told.wait()
        self._told.clear()
        news = News(sorted(self._shown, key=lambda each: each.id), self._count)
        self._shown.clear()
        self._count = 0
        return news


class LiveEvents:
    """Reads what is new while anybody watches, and gives each watcher what it asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: set[Watcher] = set()
        self._reading: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()

    @property
    def is_reading(self) -> bool:
        """Whether anybody watches."""
        return self._reading is not None

    @asynccontextmanager
    async def watch(self, filters: Filters, secret: str) -> AsyncIterator[Watcher]:
        """Give a watcher that hears all that comes from now on.

        Raises `TooManyWatchers`, or `DatabaseUnavailable` if nobody knows what came before.
        """
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchers(f"more than {MOST_WATCHERS} browsers cannot watch at once")
        watcher = Watcher(filters, secret)
        async with self._beginning:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read(await self._begun()))
            self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers and self._reading is not None:
                self._reading.cancel()
                self._reading = None

    async def _begun(self) -> "Search":
        """A search for what comes from now on."""
        async with self._database.reading() as session:
            repository = EventRepository(session)
            search = Search(await repository.newest_id())
            await search.look(repository)
            return search

    async def _read(self, search: "Search") -> None:
        """Give watchers what is new, until nobody watches."""
        looked_at_sessions = time.monotonic()
        while True:
            full = False
            try:
                async with self._database.reading() as session:
                    found, full = await search.look(EventRepository(session))
                    for watcher in tuple(self._watchers):
                        watcher.offer(found)
                    if time.monotonic() - looked_at_sessions > SESSIONS_S:
                        looked_at_sessions = time.monotonic()
                        await self._end_sessions(SignInRepository(session))
            except DatabaseUnavailable as error:
                log.warning("cannot read what is new", reason=str(error))
            except Exception:
                # Nobody awaits this task: what it does not say nobody hears.
                log.exception("cannot read what is new")
            await asyncio.sleep(0 if full else TURN_S)

    async def _end_sessions(self, repository: SignInRepository) -> None:
        alive = await repository.last({each.secret for each in self._watchers})
        for watcher in self._watchers:
            if watcher.secret not in alive:
                watcher.end()


class Search:
    """The search for new events by their ids, of which a lower one may be committed later.

    Whatever id is missing below the highest is looked for again, for `LATE_S`.
    """

    def __init__(self, newest: int) -> None:
        self._highest = max(newest - LOOK_BACK, 0)
        self._missing: dict[int, float] = {}
        """When each is given up."""

    async def look(self, repository: EventRepository) -> tuple[list[ListedEvent], bool]:
        """The events that were not found before, and whether there may be more by now."""
        found = await repository.heard_since(self._highest, self._missing, MOST_READ)
        self._note({each.id for each in found})
        return found, len(found) == MOST_READ

    def _note(self, found: Collection[int]) -> None:
        now = time.monotonic()
        highest = max(found, default=self._highest)
        for id_ in range(max(self._highest + 1, highest - MOST_MISSING), highest):
            if id_ not in found:
                self._missing[id_] = now + LATE_S
        self._highest = max(self._highest, highest)
        for id_ in [each for each, until in self._missing.items() if each in found or until < now]:
            del self._missing[id_]
        while len(self._missing) > MOST_MISSING:
            del self._missing[next(iter(self._missing))]
