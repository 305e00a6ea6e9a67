"""What arrived at the mail server, and what the notifier noted of it."""

from dataclasses import dataclass

import httpx2

from tests.containers.balanced import Balanced

PAGE = 200
SUBSCRIBED = "all@example.com"
"""Who is told of every new product and every price drop."""


@dataclass(frozen=True)
class Mail:
    to: str
    subject: str
    message_id: str


@dataclass(frozen=True)
class Note:
    """One thing that somebody is to be told."""

    id: int
    event_id: str
    product: str
    state: str
    told_by: int | None
    """The row whose email tells it."""
    reason: str
    message_id: str
    """Of an email of its own, up to the `@`."""


def notes(notifier: Balanced) -> list[Note]:
    """All that is noted for who is told of everything."""
    found: list[Note] = []
    after: int | None = 0
    while after is not None:
        parameters = {"email": SUBSCRIBED, "limit": PAGE, "after": after}
        page = notifier.call("GET", "/v1/notifications", params=parameters).raise_for_status()
        found += [
            Note(
                each["id"],
                each["event_id"],
                each["product_id"],
                each["state"],
                each["told_by"],
                each["reason"] or "",
                f"{each['event_id']}.{each['subscription_id']}",
            )
            for each in page.json()["items"]
        ]
        after = page.json()["next"]
    return found


def mails(url: str) -> list[Mail]:
    """All emails that the server holds, repeats included."""
    found: list[Mail] = []
    while True:
        answer = httpx2.get(
            f"{url}/api/v1/messages", params={"start": len(found), "limit": PAGE}, timeout=20
        ).raise_for_status()
        page = answer.json()["messages"]
        if not page:
            return found
        found += [
            Mail(each["To"][0]["Address"], each["Subject"], each["MessageID"]) for each in page
        ]
