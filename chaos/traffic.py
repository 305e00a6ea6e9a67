"""Clients of the catalog: they create, reprice, view, picture and delete products."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx2

from chaos.reckoning.ledger import Entry, Ledger, Outcome
from tests.pictures import jpeg

PATIENCE_S = 20.0
TRIES = 5
MOST_PRODUCTS = 12
"""How many products one client keeps."""
OVERLOADED = 500
FIRST_PRICE = 5_000
"""Cents."""
CURRENCIES = ("EUR", "USD")
WAVERS_BY = 1_000
"""Cents."""
MISSING, GONE = 404, 410
UNDER_WAY = "a request with this Idempotency-Key is under way"


class Client:
    """One client with products of its own, and an eye on those of others."""

    def __init__(
        self,
        number: int,
        ledger: Ledger,
        apis: list[httpx2.AsyncClient],
        shared: list[str],
        rng: random.Random,
    ) -> None:
        self._number = number
        self._ledger = ledger
        self._apis = apis
        self._shared = shared
        self._rng = rng
        self._mine: dict[str, int] = {}
        """Products that should exist, and the price that was last asked for, in cents."""
        self._made = 0
        self._picture = jpeg(160, 120)

    async def run(self, stopping: asyncio.Event, pace: float) -> None:
        """Act until told to stop, about every `pace` seconds."""
        while not stopping.is_set():
            await self.act()
            await asyncio.sleep(self._rng.expovariate(1 / pace) if pace else 0)

    async def act(self) -> None:
        """Do one thing, chosen by chance."""
        if len(self._mine) < 2:  # noqa: PLR2004 - something to act on
            await self.create()
            return
        growing = len(self._mine) < MOST_PRODUCTS
        deeds: dict[Callable[[], Awaitable[object]], int] = {
            self.create: 4 if growing else 0,
            self.regret: 1,
            self.reprice: 8,
            self.waver: 2,
            self.convert: 2,
            self.view: 6,
            self.picture: 2,
            self.delete: 3,
            self.batch: 4,
        }
        [deed] = self._rng.choices([*deeds], [*deeds.values()])
        await deed()

    async def create(self) -> str | None:
        with self._ledger.entry("create") as entry:
            new = self._new(entry)
            answer = await self._send(
                entry, "POST", "/v1/products", json=new, headers={"Idempotency-Key": entry.marker}
            )
        if answer is None or entry.outcome != "ok":
            return None
        entry.product = str(answer.json()["id"])
        self._mine[entry.product] = FIRST_PRICE
        if len(self._shared) < MOST_PRODUCTS:
            self._shared.append(entry.product)
        return entry.product

    async def reprice(self, product: str | None = None, cents: int | None = None) -> None:
        product = product or self._any(foreign=True)
        cents = cents or self._price(product)
        with self._ledger.entry("update", product) as entry:
            change = {"price": _major(cents), "description": entry.marker}
            await self._send(entry, "PATCH", f"/v1/products/{product}", json=change)

    async def regret(self) -> None:
        """Delete a product as soon as it is there: mostly nobody is told of it."""
        product = await self.create()
        if product is not None:
            await self.delete(product)

    async def waver(self, product: str | None = None) -> None:
        """Lower a price and raise it again: mostly nobody is told of it."""
        product = product or self._any(foreign=True)
        before = self._mine.get(product, FIRST_PRICE)
        await self.reprice(product, max(before - WAVERS_BY, 1))
        await self.reprice(product, before)

    async def convert(self, product: str | None = None) -> None:
        """Ask for the price in the other currency, or the same."""
        product = product or self._any(foreign=True)
        currency = self._rng.choice(CURRENCIES)
        with self._ledger.entry("update", product) as entry:
            change = {
                "price": _major(self._price(product)),
                "currency": currency,
                "description": entry.marker,
            }
            await self._send(entry, "PATCH", f"/v1/products/{product}", json=change)

    async def view(self, product: str | None = None) -> None:
        product = product or self._any(foreign=True)
        self._ledger.views += 1
        answer = await self._request(self._rng.choice(self._apis), "GET", f"/v1/products/{product}")
        self._ledger.viewed += answer is not None and answer.is_success

    async def picture(self, product: str | None = None) -> None:
        product = product or self._any()
        with self._ledger.entry("picture", product) as entry:
            files = {"file": ("lamp.jpg", self._picture, "image/jpeg")}
            await self._send(entry, "POST", f"/v1/products/{product}/images", files=files)

    async def delete(self, product: str | None = None) -> None:
        product = product or self._any()
        with self._ledger.entry("delete", product) as entry:
            await self._send(entry, "DELETE", f"/v1/products/{product}")
        if entry.outcome == "ok":
            self._forget(product)

    async def batch(self) -> None:
        """Delete one, update some and create some, in one transaction."""
        updated = self._rng.sample([*self._mine], k=min(8, len(self._mine)))
        deleted = [updated.pop()] if self._rng.random() < 0.3 and len(updated) > 1 else []  # noqa: PLR2004
        room = self._rng.randrange(1, 3)
        entries: list[Entry] = []
        for kind, product in (
            *(("delete", each) for each in deleted),
            *(("update", each) for each in updated),
            *(("create", None) for _ in range(room)),
        ):
            with self._ledger.entry(kind, product) as entry:
                entries.append(entry)
        body = {
            "delete": deleted,
            "update": [
                {"id": each.product, "description": each.marker}
                for each in entries
                if each.kind == "update"
            ],
            "create": [self._new(each) for each in entries if each.kind == "create"],
        }
        whole = Entry("batch", entries[0].marker)
        headers = {"Idempotency-Key": whole.marker}
        answer = await self._send(whole, "POST", "/v1/products/batch", json=body, headers=headers)
        for entry in entries:
            entry.outcome = whole.outcome
        if answer is None or whole.outcome != "ok":
            return
        created = [each for each in answer.json()["results"] if each["op"] == "create"]
        for entry, result in zip(entries[-room:], created, strict=True):
            entry.product = str(result["id"])
            self._mine[entry.product] = FIRST_PRICE
        for product in deleted:
            self._forget(product)

    def _price(self, product: str) -> int:
        # Mostly up, so that prices keep clear of nothing.
        before = self._mine.get(product, FIRST_PRICE)
        step = self._rng.randrange(1, 100)
        after = before + step if self._rng.random() < 0.75 else max(before - 10 * step, 1)  # noqa: PLR2004
        if product in self._mine:
            self._mine[product] = after
        return after

    def _new(self, entry: Entry) -> dict[str, Any]:
        self._made += 1
        return {
            "sku": entry.marker,
            "name": f"Lamp {self._number}.{self._made}",
            "description": entry.marker,
            "price": _major(FIRST_PRICE),
            "currency": CURRENCIES[0],
        }

    def _any(self, *, foreign: bool = False) -> str:
        if foreign and self._shared and self._rng.random() < 0.4:  # noqa: PLR2004 - two in five
            return self._rng.choice(self._shared)
        return self._rng.choice([*self._mine] or self._shared)

    def _forget(self, product: str) -> None:
        self._mine.pop(product, None)
        if product in self._shared:
            self._shared.remove(product)

    async def _send(
        self, entry: Entry, method: str, path: str, **options: Any
    ) -> httpx2.Response | None:
        """Send a request; one with a key again and again until there is an answer."""
        tries = TRIES if "headers" in options else 1
        answer = None
        for attempt in range(tries):
            answer = await self._request(self._rng.choice(self._apis), method, path, **options)
            entry.outcome = outcome(answer)
            if entry.outcome != "unknown":
                break
            await asyncio.sleep(0.2 * (attempt + 1) if attempt + 1 < tries else 0.1)
        if answer is not None and answer.status_code in (MISSING, GONE):
            self._forget(path.split("/")[3])
        return answer

    async def _request(
        self, api: httpx2.AsyncClient, method: str, path: str, **options: Any
    ) -> httpx2.Response | None:
        try:
            answer = await api.request(method, path, **options)
        except httpx2.TransportError:
            return None
        if answer.status_code == OVERLOADED:
            self._ledger.server_errors.append(f"{method} {path}: {answer.text[:200]}")
        return answer


def _major(cents: int) -> str:
    return f"{cents / 100:.2f}"


def outcome(answer: httpx2.Response | None) -> Outcome:
    """Tell what an answer says about the change.

    A 5xx does not say, nor does the refusal of a repeat whose first copy is still being worked on.
    """
    if answer is None or answer.is_server_error or UNDER_WAY in answer.text:
        return "unknown"
    return "ok" if answer.is_success else "refused"


class Crowd:
    """Clients that act side by side."""

    def __init__(
        self, ledger: Ledger, urls: list[str], headers: Mapping[str, str], rng: random.Random
    ) -> None:
        self._ledger = ledger
        self._urls = urls
        self._headers = headers
        self._rng = rng
        self._open = AsyncExitStack()

    async def client(self, number: int, shared: list[str]) -> Client:
        apis = [
            await self._open.enter_async_context(
                httpx2.AsyncClient(base_url=url, headers=self._headers, timeout=PATIENCE_S)
            )
            for url in self._urls
        ]
        rng = random.Random(self._rng.random())  # noqa: S311 - replays a seed
        return Client(number, self._ledger, apis, shared, rng)

    async def run(
        self, clients: int, stopping: asyncio.Event, pace: float, watched: Sequence[str] = ()
    ) -> None:
        """Let so many clients act until told to stop; `watched` are products that none deletes."""
        shared = [*watched]
        async with asyncio.TaskGroup() as tasks:
            for number in range(clients):
                client = await self.client(number, shared)
                tasks.create_task(client.run(stopping, pace))

    async def close(self) -> None:
        await self._open.aclose()
