"""Changes made to products while something happens, and a ledger of what became of each."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Self

import httpx2

from tests.containers.balanced import Balanced, Refused

PRICES = ("100.00", "99.00", "98.00", "97.00")
"""A product is created at the first, and becomes cheaper."""
PAUSE_S = 0.25
"""Between two changes of a writer, in seconds, so that a run stays small."""

What = Literal["create", "reprice", "delete"]
Outcome = Literal["ok", "refused", "unknown"]


@dataclass(frozen=True)
class Change:
    """One attempt; `unknown` means that it may or may not have been committed."""

    what: What
    name: str
    price: str | None
    outcome: Outcome
    status: int | None = None
    product: str | None = None
    version: int | None = None


class Traffic:
    """Writers that create, reprice and delete products of their own until they are stopped.

    The products' names begin with `label`, by which they are found again.
    """

    def __init__(
        self, catalog: Balanced, label: str, *, writers: int = 4, pause: float = PAUSE_S
    ) -> None:
        self.label = label
        self.ledger: list[Change] = []
        self._catalog = catalog
        self._writers = writers
        self._pause = pause
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(writers)
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._write, each) for each in range(self._writers)]
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopping.set()
        self._pool.shutdown()
        for writer in self._running:
            writer.result()

    def made(self, outcome: Outcome) -> list[Change]:
        return [change for change in self.ledger if change.outcome == outcome]

    def _write(self, writer: int) -> None:
        for number in itertools.count():
            name = f"{self.label}-{writer}-{number}"
            for change in self._life(name, delete=number % 3 == 2):
                self.ledger.append(change)
                if self._stopping.wait(self._pause):
                    return

    def _life(self, name: str, *, delete: bool) -> Iterator[Change]:
        body = {"sku": name, "name": name, "price": PRICES[0], "currency": "EUR"}
        created = self._change("create", name, None, body)
        yield created
        if created.product is None:
            return
        for price in PRICES[1:]:
            yield self._change("reprice", name, created.product, {"price": price})
        if delete:
            yield self._change("delete", name, created.product, None)

    def _change(
        self, what: What, name: str, product: str | None, body: dict[str, str] | None
    ) -> Change:
        method = {"create": "POST", "reprice": "PATCH", "delete": "DELETE"}[what]
        path = "/v1/products" + (f"/{product}" if product else "")
        price = body["price"] if body else None
        try:
            answer = self._catalog.call(method, path, json=body)
        except Refused:
            return Change(what, name, price, "refused", product=product)
        except httpx2.HTTPError:
            return Change(what, name, price, "unknown", product=product)
        if answer.is_server_error:
            # A commit whose answer was lost may have happened.
            return Change(what, name, price, "unknown", answer.status_code, product)
        if not answer.is_success:
            return Change(what, name, price, "refused", answer.status_code, product)
        if not answer.content:
            return Change(what, name, price, "ok", answer.status_code, product)
        saved = answer.json()
        return Change(what, name, price, "ok", answer.status_code, saved["id"], saved["version"])
