"""What arrived at the mail server."""

from dataclasses import dataclass

import httpx2

PAGE = 200
SUBSCRIBED = "all@example.com"
"""Who is told of every new product and every price drop."""


@dataclass(frozen=True)
class Mail:
    to: str
    subject: str
    message_id: str


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
