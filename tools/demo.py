"""The whole story, played against an instance of its own: `python -m tools.demo`.

Prints each step with its events in the order they left, its emails, and its files as they
come and go. Exits with 1 as soon as something is missing.
"""

import asyncio
import io
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from services.starting import starting

with starting():
    from PIL import Image
    from rich.console import Console
    from rich.text import Text

    from heliograph import Event, Refused, post_delete, pre_save, receiver
    from heliograph.logging import configure
    from services.catalog import models
    from services.embedded import Embedded, embedded
    from tools.demo_client import Answer, Client
    from tools.demo_stage import Changes, Heard, Listener, Stage, StepMissing

COUNTERFEIT = "Counterfeit lamp"
COOLDOWN_S = 3
DELETED = ("pre_delete", "post_delete")
STYLES = {"event": "cyan", "email": "green", "file": "yellow", "views": "magenta"}

console = Console(highlight=False, soft_wrap=True)


@receiver(pre_save, sender=models.Product)
def refuse_counterfeits(event: Event[models.Product]) -> None:
    """Veto a save, in the process and before anything is written."""
    if event.instance.name == COUNTERFEIT:
        raise Refused("Counterfeits are not sold here.")


def fail_late(event: Event[models.Product]) -> None:
    """Fail when the delete has been sent to all others and flushed."""
    raise OSError("the accounts cannot be reached")


class Story:
    """The steps, in order; each raises `StepMissing` if it leaves anything but what it should."""

    def __init__(self, house: Embedded, stage: Stage) -> None:
        [token] = house.development_tokens()
        self._catalog = Client(house.catalog_url, token)
        self._notifier = Client(house.notifier_url, token)
        self._viewer = house.catalog.tokens.issue("user-7", ["catalog:read"])
        self._stage = stage
        self._files = 0
        self._steps = 0

    async def play(self) -> None:
        self._title("Two readers ask to hear of new products, the first of price drops too")
        for address, topic in (
            ("first@example.com", "new_product"),
            ("second@example.com", "new_product"),
            ("first@example.com", "price_drop"),
        ):
            wish = {"email": address, "topic": topic}
            await self._call(self._notifier, "POST", "/v1/subscriptions", wish, status=201)

        self._title("A product is created")
        lamp = {"sku": "LAMP-1", "name": "Desk lamp", "price": "19.99", "currency": "EUR"}
        created = await self._call(self._catalog, "POST", "/v1/products", lamp, status=201)
        path = f"/v1/products/{created['id']}"
        await self._see(["product.pre_save", "product.post_save"], emails=2)

        self._title("It gets a picture")
        answer = await asyncio.to_thread(self._catalog.upload, f"{path}/images", _picture())
        image = _checked(answer, 201)
        self._files = 1 + len(image["variants"])
        await self._see(["image.pre_save", "image.post_save"])

        for price, emails in (("24.99", 0), ("14.99", 1)):
            self._title(f"Its price {'drops' if emails else 'rises'} to {price}")
            await self._call(self._catalog, "PATCH", path, {"price": price}, status=200)
            await self._see(["product.pre_save", "product.post_save"], emails=emails)

        self._title("It drops twice more: one email tells of both, when the cool-down is over")
        for price in ("12.99", "9.99"):
            await self._call(self._catalog, "PATCH", path, {"price": price}, status=200)
        await self._see(["product.pre_save", "product.post_save"] * 2, emails=1)

        self._title("A product is created and deleted at once: nobody is told of it")
        slip = {"sku": "SLIP-1", "name": "Slip", "price": "1.00", "currency": "EUR"}
        created = await self._call(self._catalog, "POST", "/v1/products", slip, status=201)
        await self._call(self._catalog, "DELETE", f"/v1/products/{created['id']}", status=204)
        await self._see([f"product.{each}" for each in ("pre_save", "post_save", *DELETED)])

        self._title("A user with a token looks at it twice, a stranger once")
        for token in (self._viewer, self._viewer, None):
            _checked(await asyncio.to_thread(self._catalog.look, path, token), 200)
        await self._see(["product.viewed"] * 3)
        await self._see_views(path)

        self._title("A receiver refuses a new name: nothing is written, announced or sent")
        name = {"name": COUNTERFEIT}
        refused = await self._call(self._catalog, "PATCH", path, name, status=409)
        self._line("answer", f"409 {refused['detail']}")
        await self._see([])

        self._title("A delete fails after pre_delete: no event, and the files stay")
        post_delete.connect(fail_late, models.Product)
        await self._call(self._catalog, "DELETE", path, status=500)
        post_delete.disconnect(fail_late, models.Product)
        self._line("answer", "500, rolled back")
        await self._see([])
        self._line("file", f"{self._files} still there")

        self._title("The product is deleted")
        await self._call(self._catalog, "DELETE", path, status=204)
        self._files = 0
        await self._see(
            [f"{sender}.{signal}" for sender in ("image", "product") for signal in DELETED]
        )
        await self._see_views(path)

    async def _call(
        self, client: Client, method: str, path: str, content: object = None, *, status: int
    ) -> Any:
        return _checked(await asyncio.to_thread(client.call, method, path, content), status)

    async def _see(self, events: Sequence[str], *, emails: int = 0) -> None:
        """Show what happened since the last step; it must be exactly this."""
        seen = await self._stage.look(events=len(events), emails=emails, files=self._files)
        heard = [each.routing_key.removeprefix("catalog.") for each in seen.events]
        if heard != [*events] or len(seen.emails) != emails:
            raise StepMissing(f"expected {[*events]} and {emails} emails, not {seen}")
        self._show(seen)

    async def _see_views(self, path: str) -> None:
        async def counted() -> bool:
            views = await self._call(self._catalog, "GET", f"{path}/views", status=200)
            return bool(views["count"] == 3)  # noqa: PLR2004 - as often as it was looked at

        await self._stage.until("three views", counted)
        views = await self._call(self._catalog, "GET", f"{path}/views", status=200)
        known = ", ".join(f"{each['viewer']} {each['count']}" for each in views["viewers"])
        self._line("views", f"{views['count']} in all, {known}")

    def _title(self, text: str) -> None:
        self._steps += 1
        console.print(Text(f"{self._steps}. {text}", style="bold"))

    def _show(self, seen: Changes) -> None:
        for event in seen.events:
            self._line("event", f"{event.routing_key:<28} {_gist(event)}".rstrip())
        for letter in seen.emails:
            self._line("email", f"to {letter.recipient}: {letter.subject}")
        for sign, files in (("+", seen.files_added), ("-", seen.files_gone)):
            for file in files:
                self._line("file", f"{sign} {file}")

    def _line(self, kind: str, text: str) -> None:
        console.print(Text(f"   {kind:<7}", style=STYLES.get(kind, "dim")), Text(text), sep="")


def _checked(answer: Answer, status: int) -> Any:
    if answer.status != status:
        raise StepMissing(f"expected {status}, not {answer}")
    return answer.body


def _gist(event: Heard) -> str:
    """The part of an event that the story is about."""
    if event.body["signal"] == "viewed":
        return f"by {event.body['viewer'] or 'a stranger'}"
    changes = event.body["changes"] or {}
    if "price" in changes:
        return f"price {changes['price']['from']} to {changes['price']['to']}"
    return "created" if event.body["created"] else ""


def _picture() -> bytes:
    picture = io.BytesIO()
    Image.linear_gradient("L").resize((640, 480)).save(picture, "JPEG")
    return picture.getvalue()


async def perform(folder: Path) -> None:
    """Run all services in `folder`, play the story, and let them stop."""
    images, mail = folder / "images", folder / "mail"
    environ = {
        "CATALOG_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/catalog.db",
        "CATALOG_IMAGE_STORE_URL": images.as_uri(),
        "CONSOLE_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/console.db",
        "NOTIFIER_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/notifier.db",
        "NOTIFIER_IMAGE_STORE_URL": images.as_uri(),
        "NOTIFIER_SMTP_URL": mail.as_uri(),
        "NOTIFIER_PRICE_COOLDOWN_SECONDS": str(COOLDOWN_S),
    }
    async with embedded("127.0.0.1", 0, environ) as house:
        listener = Listener(house.catalog.bus)
        await listener.declare()
        # It ends last: until the relay has stopped it waits for this queue as for any other.
        ears = asyncio.create_task(listener.listen())
        try:
            await _alongside(house, Story(house, Stage(house, listener, images, mail)).play)
        finally:
            ears.cancel()


async def _alongside(house: Embedded, play: Callable[[], Awaitable[None]]) -> None:
    """Play while all services run; they stop in good order even if it breaks off."""
    stopping = asyncio.Event()
    missing: StepMissing | SystemExit | None = None
    async with asyncio.TaskGroup() as tasks:
        for part in house.parts:
            tasks.create_task(part.run(stopping))
        for server in house.servers:
            await server.ready.wait()
        try:
            await play()
        except (StepMissing, SystemExit) as error:
            # The latter is rich's word that nobody reads on.
            missing = error
        stopping.set()
    if missing is not None:
        raise missing


def main() -> None:
    """Play the story once, in a folder that is gone afterwards."""
    # The delete that fails is the story's; its traceback is not.
    configure("critical")
    with tempfile.TemporaryDirectory(prefix="heliograph-demo-") as folder:
        try:
            asyncio.run(perform(Path(folder)))
        except StepMissing as error:
            console.print(Text(f"missing: {error}", style="bold red"))
            sys.exit(1)
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
            sys.exit(130)
    console.print(Text("Everything happened, and nothing else did.", style="bold green"))


if __name__ == "__main__":
    main()
