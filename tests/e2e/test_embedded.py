"""`python -m services`: everything in one process, as after a fresh clone."""

import email
import email.policy
import json
import signal
import socket
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pika

from heliograph.settings import DEVELOPMENT_KEY
from heliograph.tokens import Tokens
from heliograph.waiting import LEASE_S
from tests.programs import (
    DRAINS_WITHIN,
    Made,
    Running,
    announced,
    command,
    embedded,
    eventually,
    logged_errors,
)
from tests.story import Shop, tell


def emails(folder: Path) -> list[tuple[str, str]]:
    messages = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted((folder / "var/mail").glob("*.eml"))
    ]
    return [(str(message["to"]), str(message["subject"])) for message in messages]


def subjects(folder: Path) -> str:
    return ", ".join(subject for _, subject in emails(folder))


def files(folder: Path) -> int:
    return sum(path.is_file() for path in (folder / "var/images").rglob("*"))


def shop(running: Running) -> Shop:
    return Shop(running.catalog, running.notifier, running.token)


def test_the_whole_story_on_embedded_parts(tmp_path: Path) -> None:
    with embedded(tmp_path) as running, shop(running) as visit:
        for url in (running.catalog, running.notifier, running.console):
            assert httpx2.get(f"{url}/health/ready").json()["status"] == "ok"
            assert httpx2.get(f"{url}/docs").status_code == 200
        vera = Tokens(DEVELOPMENT_KEY, "catalog").issue("vera", ["catalog:read"])
        tell(visit, lambda: emails(tmp_path), lambda: files(tmp_path), vera)

        began = time.monotonic()
        assert running.program.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < DRAINS_WITHIN
        assert logged_errors(running.program) == []


def test_a_change_outlives_the_process_that_made_it(tmp_path: Path) -> None:
    with embedded(tmp_path) as running, shop(running) as visit:
        visit.subscribe("ann@example.com", "new_product")
        visit.create("LAMP-1", "Desk lamp", "19.99")
        running.program.end(signal.SIGKILL)
    with embedded(tmp_path) as running, shop(running) as visit:
        visit.create("LAMP-2", "Floor lamp", "29.99")
        # What the killed process held on lease is its own until that ends.
        eventually(
            "an email about the later product",
            lambda: "Floor" in subjects(tmp_path),
            within=2 * LEASE_S,
        )
        # By one email, if the first had not gone when the second came.
        assert subjects(tmp_path).count("Desk lamp") == subjects(tmp_path).count("Floor lamp") == 1
        assert running.program.end(signal.SIGINT) == 0


def test_public_urls_follow_the_port(tmp_path: Path) -> None:
    with embedded(tmp_path) as running, shop(running) as visit:
        product = visit.create("LAMP-1", "Desk lamp", "19.99")
        assert product["url"].startswith(f"{running.catalog}/")


def test_a_busy_port_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for chosen in (port, port - 1, port - 2):
            refused = command(tmp_path, "services", "--port", str(chosen))
            assert refused.returncode == 2
            assert refused.stderr.count("\n") == 1
            assert f"port {port} is in use" in refused.stderr
    assert not (tmp_path / "var").exists()


def test_the_console_shows_what_the_process_does(tmp_path: Path) -> None:
    with embedded(tmp_path) as running, shop(running) as visit:
        visit.create("LAMP-1", "Desk lamp", "19.99")
        with httpx2.Client(base_url=running.console) as browser:
            assert browser.get(running.sign_in).status_code == 303
            assert browser.get(running.sign_in).status_code == 403
        with httpx2.Client(base_url=running.console) as browser:
            signed_in = browser.post("/sign-in", data={"token": running.token})
            assert signed_in.status_code == 303
        linked = command(tmp_path, "services.console", "link", "--subject", "ada")
        assert linked.returncode == 0, linked.stderr
        assert linked.stdout.startswith("http://127.0.0.1:8002/sign-in/")
        token = linked.stdout.strip().rpartition("/")[2]
        with httpx2.Client(base_url=running.console) as browser:
            assert browser.get(f"/sign-in/{token}").status_code == 303
        headers = {"Authorization": f"Bearer {running.token}"}
        for url in (running.catalog, running.notifier, running.console):
            parked = httpx2.get(f"{url}/v1/inbox/parked", headers=headers)
            assert parked.json() == {"items": [], "next": None}
        assert running.program.end(signal.SIGTERM) == 0
        assert logged_errors(running.program) == []


def test_services_that_are_named_are_asked_in_place_of_ours(tmp_path: Path) -> None:
    refused = command(
        tmp_path, "services", "--port", "0", settings={"CONSOLE_SERVICES": '[{"name": "a"}]'}
    )
    assert refused.returncode == 2
    assert refused.stderr == "error: CONSOLE_SERVICES: 0.url: Field required\n"


def test_one_memory_bus_needs_all_services_on_it(tmp_path: Path) -> None:
    refused = command(
        tmp_path,
        "services",
        "--port",
        "0",
        settings={
            "NOTIFIER_BUS_URL": "amqp://guest:guest@127.0.0.1:1/",
            "NOTIFIER_SECRET_KEY": "k" * 32,
        },
    )
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "NOTIFIER_BUS_URL" in refused.stderr
    assert "CONSOLE_BUS_URL" in refused.stderr


def test_on_a_broker_anyone_may_listen_and_tokens_outlive_the_process(
    tmp_path: Path, amqp_url: str
) -> None:
    on_a_broker = ("run", "PORT=0", f"BUS={amqp_url}")
    parameters = pika.URLParameters(amqp_url)
    with (
        announced(Made(tmp_path, *on_a_broker)) as running,
        closing(pika.BlockingConnection(parameters)) as connection,
        shop(running) as visit,
    ):
        channel = connection.channel()
        channel.queue_declare("listener", exclusive=True)
        channel.queue_bind("listener", "catalog.events", "catalog.product.post_save")
        visit.subscribe("ann@example.com", "new_product")
        visit.create("LAMP-1", "Desk lamp", "19.99")

        _, _, body = next(channel.consume("listener", inactivity_timeout=20))
        assert json.loads(body)["instance"]["sku"] == "LAMP-1"
        eventually("its email", lambda: "Desk lamp" in subjects(tmp_path))
    assert (tmp_path / "var/secret-key").stat().st_mode & 0o077 == 0

    with announced(Made(tmp_path, *on_a_broker)) as again:
        headers = {"Authorization": f"Bearer {running.token}"}
        assert httpx2.get(f"{again.catalog}/v1/inbox/parked", headers=headers).status_code == 200
