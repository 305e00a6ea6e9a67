"""RabbitMQ: a virtual host of its own for every test."""

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2

from tests.servers import Unavailable
from tests.servers.rabbitmq_container import IMAGE, IMAGE_SETTING, Container, docker_answers
from tests.servers.rabbitmq_node import Node, find_scripts

SETTING = "TEST_AMQP_URL"
MANAGEMENT_SETTING = "TEST_AMQP_MANAGEMENT_URL"
DEFINITIONS = Path(__file__).parents[2] / "deploy/rabbitmq/definitions.json"
"""The users of the stack and what each may do."""
MISSING = (
    f"Set {SETTING}, install rabbitmq-server, start Docker, or run `make test` as root on"
    " Debian or Ubuntu."
)


class RabbitMQ:
    """A broker on which virtual hosts come and go, through its management API."""

    def __init__(self, url: str, management_url: str, node: Node | Container | None = None) -> None:
        parts = urlsplit(url)
        self._authority = f"{parts.scheme}://{parts.netloc}"
        self._management = httpx2.Client(
            base_url=f"{management_url.rstrip('/')}/api/",
            auth=(parts.username or "guest", parts.password or "guest"),
            timeout=30,
        )
        self.node = node
        """The private node, for tests that stop, pause or block it; None for a broker given
        by ``TEST_AMQP_URL``."""

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """Create a virtual host, yield its AMQP URL, then delete it with all it holds."""
        name = f"heliograph-test-{uuid.uuid4().hex}"
        self._call("PUT", f"vhosts/{name}")
        try:
            yield f"{self._authority}/{name}"
        finally:
            self._call("DELETE", f"vhosts/{name}")

    def renew(self, url: str) -> None:
        """Delete the virtual host of ``url`` with all it holds, and make it anew."""
        vhost = _vhost(url)
        self._call("DELETE", f"vhosts/{vhost}")
        self._call("PUT", f"vhosts/{vhost}")

    @contextmanager
    def users(self, url: str) -> Iterator[Mapping[str, str]]:
        """Create the stack's users, with their rights on the virtual host of ``url``.

        Yields the URL of each by its name in the stack, then deletes them.
        """
        suffix = uuid.uuid4().hex
        definitions = json.loads(DEFINITIONS.read_text())
        names = {each["name"]: f"{each['name']}-{suffix}" for each in definitions["users"]}
        tags = {each["name"]: ",".join(each["tags"]) for each in definitions["users"]}
        try:
            for name, made in names.items():
                self._call("PUT", f"users/{made}", {"password": suffix, "tags": tags[name]})
            for each in definitions["permissions"]:
                rights = {kind: each[kind] for kind in ("configure", "write", "read")}
                path = f"permissions/{_vhost(url)}/{names[each['user']]}"
                self._call("PUT", path, rights)
            parts = urlsplit(url)
            yield {
                name: parts._replace(
                    netloc=f"{made}:{suffix}@{parts.netloc.rpartition('@')[2]}"
                ).geturl()
                for name, made in names.items()
            }
        finally:
            for made in names.values():
                self._call("DELETE", f"users/{made}")

    def bindings(self, url: str) -> set[tuple[str, str, str]]:
        """The bindings in the virtual host of ``url``: exchange, queue and routing key.

        Without those to the default exchange, which the broker makes.
        """
        found = self._call("GET", f"bindings/{_vhost(url)}").json()
        return {
            (each["source"], each["destination"], each["routing_key"])
            for each in found
            if each["source"]
        }

    def close_connections(self, url: str) -> int:
        """Close, as an operator would, the connections to the virtual host of ``url``.

        The broker lists a connection up to 5 seconds after it opened; the number closed
        is returned, so that a test can try again.
        """
        connections = self._call("GET", f"vhosts/{_vhost(url)}/connections").json()
        for connection in connections:
            self._call("DELETE", f"connections/{quote(connection['name'], safe='')}")
        return len(connections)

    def close(self) -> None:
        self._management.close()

    def _call(
        self, method: str, path: str, content: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        response = self._management.request(method, path, json=content)
        # A connection may be gone before we close it.
        if not (method == "DELETE" and response.status_code == httpx2.codes.NOT_FOUND):
            response.raise_for_status()
        return response


@contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    """Run with the broker of ``TEST_AMQP_URL``, else with a private one.

    Raises:
        Unavailable: there is none, or it does not come up.
        RuntimeError: the one that was asked for does not answer.
    """
    if url := os.environ.get(SETTING):
        broker = RabbitMQ(url, _management_url(url))
        try:
            broker._call("GET", "overview")  # noqa: SLF001 — the same module
        except httpx2.HTTPError as error:
            raise RuntimeError(
                f"The management API of {SETTING} does not answer ({error}); it makes a virtual"
                f" host for every test. {MANAGEMENT_SETTING} says where it is."
            ) from error
        yield broker
        broker.close()
        return
    scripts = _scripts()
    if scripts is None and not docker_answers():
        raise Unavailable(MISSING)
    with Node.private(scripts) if scripts else Container.private() as node:
        broker = RabbitMQ(node.url, node.management_url, node)
        yield broker
        broker.close()


def describe() -> str:
    """Say in a few words where RabbitMQ will come from.

    Raises:
        Unavailable: from nowhere.
    """
    if os.environ.get(SETTING):
        return f"the broker of {SETTING}"
    if scripts := _scripts():
        return f"a private node, {scripts}"
    if docker_answers():
        return f"a container of {IMAGE}"
    raise Unavailable(MISSING)


def _scripts() -> Path | None:
    """The node's programs on this machine; not looked for when an image is asked for."""
    return None if os.environ.get(IMAGE_SETTING) else find_scripts()


def _vhost(url: str) -> str:
    return quote(urlsplit(url).path[1:], safe="")


def _management_url(url: str) -> str:
    return os.environ.get(MANAGEMENT_SETTING) or f"http://{urlsplit(url).hostname}:15672"
