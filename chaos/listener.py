"""The listener: a stranger's queue bound to everything, read with another library than ours."""

import json
import threading
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

QUEUE = "chaos.listener"
EXCHANGE = "catalog.events"
PAUSE_S = 0.3
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Heard:
    """One copy of an event as it arrived."""

    id: str
    routing_key: str
    subject: str
    sequence: str | None
    headers: dict[str, Any]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)
        return data


class Listener(threading.Thread):
    """Notes every copy of every event, in the order of arrival."""

    def __init__(self, url: str) -> None:
        super().__init__(name="listener", daemon=True)
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = 10
        self._parameters.blocked_connection_timeout = None
        self._parameters.socket_timeout = 5
        self._stopping = threading.Event()
        self._late: list[Heard] = []
        self.heard: list[Heard] = []

    def declare(self) -> None:
        """Make the queue, before anything is announced."""
        with closing(pika.BlockingConnection(self._parameters)) as connection:
            channel = connection.channel()
            # Else, after a connection broke, what it had comes behind what follows.
            arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
            channel.queue_declare(QUEUE, durable=True, arguments=arguments)
            channel.queue_bind(QUEUE, EXCHANGE, "catalog.#")

    def repeat(self, copies: list[Heard]) -> None:
        """Publish copies of events once more, in the order given."""
        self._late += copies

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(pika.BlockingConnection(self._parameters)) as connection:
                    self._listen(connection.channel())
            except (AMQPError, OSError, RuntimeError):
                self._stopping.wait(PAUSE_S)

    def end(self) -> None:
        self._stopping.set()
        self.join(15)

    def _listen(self, channel: BlockingChannel) -> None:
        channel.basic_qos(prefetch_count=500)
        for method, properties, body in channel.consume(QUEUE, inactivity_timeout=LOOK_S):
            if method is not None:
                headers = dict(properties.headers or {})
                self.heard.append(
                    Heard(
                        str(properties.message_id),
                        str(method.routing_key),
                        str(headers.get("ce-subject")),
                        headers.get("ce-subjectsequence"),
                        headers,
                        body,
                    )
                )
                channel.basic_ack(method.delivery_tag)
            if self._late:
                self._send_again(channel)
            if self._stopping.is_set():
                return

    def _send_again(self, channel: BlockingChannel) -> None:
        copies, self._late = self._late, []
        for copy in copies:
            properties = pika.BasicProperties(
                headers=copy.headers,
                message_id=copy.id,
                content_type="application/json",
                delivery_mode=2,
                # As they came: a copy of another user's is none.
                user_id=self._parameters.credentials.username,
            )
            channel.basic_publish(EXCHANGE, copy.routing_key, copy.body, properties)
