"""Each part a process of its own, two of each, on RabbitMQ, PostgreSQL and SMTP."""

import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pika
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_rabbitmq_event
from pika.adapters.blocking_connection import BlockingChannel
from pydantic import SecretStr

from heliograph.testing import SMTPServer
from heliograph.tokens import Tokens
from tests.programs import Program, command, eventually, logged_errors
from tests.servers.postgresql import PostgreSQL
from tests.story import Shop, tell

CATALOG, NOTIFIER = "services.catalog", "services.notifier"
SECRET = "a secret of some deployment's own"
LISTENED = "my-own-queue"


@pytest.fixture
async def settings(
    postgres_server: PostgreSQL, amqp_url: str, smtp_server: SMTPServer, tmp_path: Path
) -> AsyncIterator[dict[str, str]]:
    """The settings of a deployment, both services' in one environment."""
    both = {
        "BUS_URL": amqp_url,
        "IMAGE_STORE_URL": (tmp_path / "images").as_uri(),
        "SECRET_KEY": SECRET,
    }
    async with postgres_server.database() as catalog, postgres_server.database() as notifier:
        yield {
            **{f"CATALOG_{name}": value for name, value in both.items()},
            **{f"NOTIFIER_{name}": value for name, value in both.items()},
            "CATALOG_DATABASE_URL": catalog,
            "NOTIFIER_DATABASE_URL": notifier,
            "NOTIFIER_SMTP_URL": smtp_server.url,
        }


@dataclass(frozen=True)
class Deployment:
    """Two processes of each part, and where all of them answer."""

    programs: list[Program]
    urls: list[str]
    catalogs: list[str]
    notifiers: list[str]


@contextmanager
def deployed(folder: Path, settings: dict[str, str]) -> Iterator[Deployment]:
    """Migrate both services, start everything, and wait until all of it listens."""
    with ThreadPoolExecutor() as pool:
        for migrated in pool.map(
            lambda module: command(folder, module, "migrate", settings=settings),
            (CATALOG, NOTIFIER),
        ):
            assert migrated.returncode == 0, migrated.stderr
    api = ("serve", "--only", "api")
    parts = [(CATALOG, api), (NOTIFIER, api), (CATALOG, ("relay",)), (CATALOG, ("work",))]
    parts = [*parts, (NOTIFIER, ("work",))]
    with ExitStack() as stack:
        programs = []
        for module, words in (*parts, *parts):
            programs.append(Program(folder, module, *words, "--port", "0", settings=settings))
            stack.callback(programs[-1].stop, signal.SIGKILL)
        urls = [program.wait_for_url() for program in programs]
        yield Deployment(programs, urls, [urls[0], urls[5]], [urls[1], urls[6]])


@contextmanager
def listening(amqp_url: str) -> Iterator[BlockingChannel]:
    """Bind a queue as a stranger would, with another library and none of our code."""
    with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        channel = connection.channel()
        channel.queue_declare(LISTENED, durable=True)
        channel.queue_bind(LISTENED, "catalog.events", "catalog.product.*")
        yield channel


def take(channel: BlockingChannel, received: list[BaseCloudEvent]) -> None:
    """Read what has arrived, with the official SDK."""
    while True:
        method, properties, body = channel.basic_get(LISTENED, auto_ack=True)
        if method is None:
            return
        assert properties.message_id == properties.headers["ce-id"]
        assert properties.delivery_mode == 2
        message = RabbitMQMessage(properties.headers, properties.content_type, body)
        received.append(from_rabbitmq_event(message))


def is_ready(url: str) -> bool:
    return httpx2.get(f"{url}/health/ready").status_code == 200


def test_the_whole_story_on_separate_processes(
    tmp_path: Path, settings: dict[str, str], smtp_server: SMTPServer
) -> None:
    def emails() -> list[tuple[str, str]]:
        return [
            (received.recipients[0], str(received.message["subject"]))
            for received in smtp_server.messages
        ]

    def files() -> int:
        return sum(path.is_file() for path in (tmp_path / "images").rglob("*"))

    tokens = Tokens(SecretStr(SECRET), "catalog")
    everything = tokens.issue("dev", ["catalog:read", "catalog:write", "notifier:admin"])
    with (
        deployed(tmp_path, settings) as deployment,
        listening(settings["CATALOG_BUS_URL"]) as channel,
        Shop(deployment.catalogs[0], deployment.notifiers[1], everything) as shop,
    ):
        eventually("all are ready", lambda: all(map(is_ready, deployment.urls)))

        vera = tokens.issue("vera", ["catalog:read"])
        product = tell(shop, emails, files, vera)

        received: list[BaseCloudEvent] = []

        def all_arrived() -> bool:
            take(channel, received)
            return {"post_delete", "viewed"} <= {kind(event) for event in received}

        eventually("every event for the stranger", all_arrived)
        check(received, product)

        for program in deployment.programs:
            program.send(signal.SIGTERM)
        assert [program.exit_code() for program in deployment.programs] == [0] * 10
        for program in deployment.programs:
            assert logged_errors(program) == []


def kind(event: BaseCloudEvent) -> str:
    return str(event.get_type()).split(".")[2]


def check(received: list[BaseCloudEvent], product: str) -> None:
    """Every change was heard, each pre before its post, in the order of the commits."""
    assert {event.get_subject() for event in received} == {product}
    assert {event.get_source() for event in received} == {"/catalog"}
    first_copies = {event.get_id(): event for event in reversed(received)}
    in_order = [event for event in received if first_copies[event.get_id()] is event]
    lanes: dict[bool, list[BaseCloudEvent]] = defaultdict(list)
    for event in in_order:
        lanes[kind(event) == "viewed"].append(event)
    assert len(lanes[True]) == 3
    assert [kind(event) for event in lanes[False]] == [
        *["pre_save", "post_save"] * (len(lanes[False]) // 2 - 1),
        *["pre_delete", "post_delete"],
    ]
    sequence = [event.get_extension("subjectsequence") for event in lanes[False]]
    assert sequence == sorted(set(sequence))
    saved = [changes(event) for event in lanes[False] if kind(event) == "post_save"]
    prices = [each["price"]["to"] for each in saved if "price" in each]
    assert prices == ["24.99", "14.99"]


def changes(event: BaseCloudEvent) -> dict[str, dict[str, object]]:
    data = event.get_data()
    assert isinstance(data, dict)
    return data["changes"] or {}
