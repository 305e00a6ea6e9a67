"""The stack under test, and what a stranger knows of it: addresses, tokens, passwords."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from obstore.store import S3Store
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from heliograph.tokens import Tokens
from tests.programs import eventually
from tests.servers.processes import free_port
from tools.stack import SECRETS, Stack, docker, write_secrets

PROJECT = "heliograph-test"
OURS = (
    *("catalog", "catalog-relay", "catalog-worker"),
    *("notifier", "notifier-worker"),
    *("console", "console-worker"),
)
SCOPES = ["catalog:read", "catalog:write", "notifier:admin"]
CATALOG_PORT, NOTIFIER_PORT, CONSOLE_PORT = 18100, 18110, 18120


class Composed(Stack):
    """The stack, with the ports and the secrets of one run."""

    def __init__(self, settings: Path) -> None:
        single = {
            name: free_port() for name in ("BROKER_PORT", "BROKER_UI_PORT", "MAIL_UI_PORT")
        } | {"S3_PORT": free_port()}
        write_secrets(
            settings,
            **single,
            CATALOG_PORTS=f"{CATALOG_PORT}-{CATALOG_PORT + 9}",
            NOTIFIER_PORTS=f"{NOTIFIER_PORT}-{NOTIFIER_PORT + 9}",
            CONSOLE_PORTS=f"{CONSOLE_PORT}-{CONSOLE_PORT + 9}",
            CATALOG_PUBLIC_URL=f"http://127.0.0.1:{CATALOG_PORT}",
            CONSOLE_PUBLIC_URL=f"http://127.0.0.1:{CONSOLE_PORT}",
        )
        lines = settings.read_text().splitlines()
        self._settings = dict(line.split("=", 1) for line in lines if line)
        super().__init__(PROJECT, settings, Path(__file__).with_name("docker-compose.yml"))
        self.seconds_to_healthy = 0.0

    @property
    def amqp_url(self) -> str:
        """The bus as an operator reaches it, for queues of one's own."""
        return (
            f"amqp://operator:{self._settings['RABBITMQ_PASSWORD']}"
            f"@127.0.0.1:{self._settings['BROKER_PORT']}/heliograph"
        )

    @property
    def secrets(self) -> list[str]:
        """Every password and key of this run."""
        return [self._settings[name] for name in SECRETS]

    @property
    def mail_url(self) -> str:
        return f"http://127.0.0.1:{self._settings['MAIL_UI_PORT']}"

    def token(self, service: str, subject: str = "tester", scopes: list[str] = SCOPES) -> str:
        secret = self._settings[f"{service.upper()}_SECRET_KEY"]
        return Tokens(SecretStr(secret), service).issue(subject, scopes)

    def files(self) -> int:
        """How many objects the store of images holds."""
        store = S3Store(
            "images",
            endpoint=f"http://127.0.0.1:{self._settings['S3_PORT']}",
            region="us-east-1",
            access_key_id="operator",
            secret_access_key=self._settings["S3_SECRET_KEY"],
            client_options={"allow_http": True},
        )
        return sum(len(page) for page in store.list())

    def ids(self, service: str) -> list[str]:
        """The service's running containers."""
        return [each.id for each in self.containers(service) if each.running]

    def scale(self, count: int) -> None:
        """Run so many containers of each part of ours; those that run stay."""
        self.up(dict.fromkeys(OURS, count), keep=True)

    def replace(self, service: str, container: str) -> None:
        """Put a new container where one was stopped, and wait until it is well."""
        docker("rm", "--volumes", container)
        self.compose(
            "up", "--detach", "--no-deps", "--no-recreate", f"--scale={service}=2", service
        )
        self.wait()

    def metric(self, url: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        answer = httpx2.get(f"{url}/metrics", timeout=10).raise_for_status()
        return sum_of(answer.text, name, **labels)

    def metrics_within(self, container: str, name: str) -> float:
        """As `metric`, of a container that publishes no port."""
        program = (
            "import urllib.request as r;"
            "print(r.urlopen('http://127.0.0.1:8000/metrics').read().decode())"
        )
        return sum_of(docker("exec", container, "python", "-c", program), name)

    def wait_until_drained(self, within: float = 300.0) -> float:
        """Wait until nothing waits in outbox, inboxes and ledger; return the seconds it took."""
        began = time.monotonic()
        eventually("nothing waits any longer", self._drained, within)
        return time.monotonic() - began

    def _drained(self) -> bool:
        try:
            catalog, notifier, console = (
                self.urls(each)[0] for each in ("catalog", "notifier", "console")
            )
            waiting = self.metric(catalog, "outbox_rows")
            for url in (catalog, notifier, console):
                rows = self.metric(url, "inbox_rows")
                waiting += rows - self.metric(url, "inbox_rows", state="done")
            answer = httpx2.get(
                f"{notifier}/v1/notifications",
                params={"state": "pending", "limit": "1"},
                headers={"Authorization": f"Bearer {self.token('notifier')}"},
                timeout=10,
            ).raise_for_status()
        except (httpx2.HTTPError, ValueError, IndexError):
            return False
        return waiting == 0 and answer.json()["items"] == []


def sum_of(exposition: str, name: str, **labels: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@contextmanager
def composed(folder: Path) -> Iterator[Composed]:
    """Build and start the stack, and leave nothing of it behind."""
    stack = Composed(folder / "settings")
    stack.down()
    try:
        stack.build()
        stack.seconds_to_healthy = stack.up()
        yield stack
    finally:
        stack.down()
