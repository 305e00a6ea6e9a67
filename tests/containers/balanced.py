"""A service's API wherever its containers listen, as behind a balancer."""

import itertools
import threading
from typing import Any

import httpx2

from tests.containers.composed import Composed


class Refused(Exception):
    """No container of the service took the connection: nothing was asked."""


class Balanced:
    """Takes the containers in turn, and looks for them anew when one is not there.

    Every call has a connection of its own, so that one which cannot be opened certainly
    asked nothing and is tried elsewhere.
    """

    def __init__(self, stack: Composed, service: str) -> None:
        self._stack = stack
        self._service = service
        self._turns = itertools.count()
        self._looking = threading.Lock()
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {stack.token(service)}"},
            limits=httpx2.Limits(max_keepalive_connections=0),
            timeout=30,
        )
        self.urls = stack.urls(service)

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Ask one container; raise `Refused`, or httpx2's error if no answer came."""
        for _ in range(2):
            known = self.urls
            for _ in known:
                url = known[next(self._turns) % len(known)]
                try:
                    return self._client.request(method, url + path, **options)
                except httpx2.ConnectError:
                    continue
            self._look(known)
        raise Refused(self._service)

    def _look(self, known: list[str]) -> None:
        with self._looking:
            if self.urls is known:
                self.urls = self._stack.urls(self._service)

    def close(self) -> None:
        self._client.close()
