"""A consumer that is none of ours: a durable queue bound to every event."""

import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pika

QUEUE = "stranger"
QUIET_S = 2.0


@dataclass(frozen=True)
class Heard:
    """One event as it arrived."""

    id: str
    type: str
    subject: str
    sequence: str
    body: dict[str, Any]

    @property
    def signal(self) -> str:
        return self.type.split(".")[2]


class Stranger:
    """Keeps what it heard, in the order of arrival, repeats included."""

    def __init__(self, amqp_url: str) -> None:
        self._parameters = pika.URLParameters(amqp_url)
        self.heard: list[Heard] = []
        with closing(pika.BlockingConnection(self._parameters)) as connection:
            channel = connection.channel()
            # Else, after a connection broke, what it had comes behind what follows.
            arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
            channel.queue_declare(QUEUE, durable=True, arguments=arguments)
            channel.queue_bind(QUEUE, "catalog.events", "catalog.product.#")

    def listen(self) -> None:
        """Take what has arrived, until nothing more comes for a while."""
        with closing(pika.BlockingConnection(self._parameters)) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=200)
            for method, properties, body in channel.consume(QUEUE, inactivity_timeout=QUIET_S):
                if method is None:
                    break
                headers = properties.headers
                self.heard.append(
                    Heard(
                        id=headers["ce-id"],
                        type=headers["ce-type"],
                        subject=headers["ce-subject"],
                        sequence=headers.get("ce-subjectsequence", ""),
                        body=json.loads(body),
                    )
                )
                channel.basic_ack(method.delivery_tag)

    def first_copies(self, label: str) -> list[Heard]:
        """What was heard of products with this label, without repeats and views."""
        first = {each.id: each for each in reversed(self.heard)}
        return [
            each
            for each in self.heard
            if first[each.id] is each
            and each.signal != "viewed"
            and each.body["instance"]["name"].startswith(f"{label}-")
        ]
