"""`serve` without `--only`: one process a service, here with files and a broker."""

from pathlib import Path

from tests.programs import Program, command, eventually, logged_errors
from tests.servers.smtp import SMTPServer
from tests.story import Shop

CATALOG, NOTIFIER = "services.catalog", "services.notifier"


def test_serve_does_all_that_its_service_needs(
    tmp_path: Path, amqp_url: str, smtp_server: SMTPServer
) -> None:
    settings = {
        "CATALOG_BUS_URL": amqp_url,
        "CATALOG_SECRET_KEY": "k" * 32,
        "NOTIFIER_BUS_URL": amqp_url,
        "NOTIFIER_SECRET_KEY": "k" * 32,
        "NOTIFIER_SMTP_URL": smtp_server.url,
    }
    for module in (NOTIFIER, CATALOG):
        assert command(tmp_path, module, "migrate", settings=settings).returncode == 0
    scopes = ("--scope", "catalog:write", "--scope", "notifier:admin")
    issued = command(tmp_path, CATALOG, "token", "--subject", "dev", *scopes, settings=settings)
    catalog = Program(tmp_path, CATALOG, "serve", "--port", "0", settings=settings)
    notifier = Program(tmp_path, NOTIFIER, "serve", "--port", "0", settings=settings)
    try:
        with Shop(catalog.wait_for_url(), notifier.wait_for_url(), issued.stdout.strip()) as shop:
            shop.subscribe("ann@example.com", "new_product")
            shop.create("LAMP-1", "Desk lamp", "19.99")
            eventually("an email", lambda: len(smtp_server.messages) == 1)
            for api in (shop.catalog, shop.notifier):
                assert api.get("/health/ready").json()["status"] == "ok"
            assert "relay_published_total 2.0" in shop.catalog.get("/metrics").text
        assert [catalog.end(), notifier.end()] == [0, 0]
        assert logged_errors(catalog) + logged_errors(notifier) == []
    finally:
        catalog.stop()
        notifier.stop()
