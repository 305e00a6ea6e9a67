from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from heliograph import InvalidSetting
from heliograph.settings import (
    DEVELOPMENT_KEY,
    LogLevel,
    load,
    log_as,
    refuse_development_key,
    refuse_memory_bus,
)
from heliograph.tokens import Tokens
from services.catalog.settings import CatalogSettings
from services.notifier.settings import NotifierSettings
from tools.settings_table import table, with_table

KEY = "k" * 32
DEPLOYED = {
    "CATALOG_DATABASE_URL": "postgresql+asyncpg://catalog:hush@db/catalog",
    "CATALOG_BUS_URL": "amqp://catalog:hush@mq/",
    "CATALOG_SECRET_KEY": KEY,
}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(InvalidSetting) as caught:
        load(CatalogSettings, environ)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_empty_environment_gives_the_embedded_program() -> None:
    catalog, notifier = load(CatalogSettings, {}), load(NotifierSettings, {})
    assert catalog.embedded
    assert notifier.embedded
    assert catalog.image_store_url == notifier.image_store_url
    assert catalog.secret_key == notifier.secret_key == DEVELOPMENT_KEY
    assert notifier.mail_from == "Heliograph <heliograph@localhost>"


def test_a_deployed_program_reads_its_own_variables_only() -> None:
    settings = load(CatalogSettings, {**DEPLOYED, "NOTIFIER_NONSENSE": "1", "PATH": "/bin"})
    assert settings.database_url == DEPLOYED["CATALOG_DATABASE_URL"]
    assert settings.secret_key == SecretStr(KEY)
    assert not settings.embedded


def test_names_that_kubernetes_injects_are_let_be() -> None:
    load(
        CatalogSettings,
        {
            "CATALOG_SERVICE_HOST": "10.0.0.1",
            "CATALOG_SERVICE_PORT_HTTP": "8000",
            "CATALOG_PORT": "tcp://10.0.0.1:8000",
            "CATALOG_PORT_8000_TCP_ADDR": "10.0.0.1",
            "CATALOG_DB_SERVICE_HOST": "10.0.0.2",
        },
    )


def test_an_unknown_setting_is_named_with_the_one_that_was_meant() -> None:
    message = refusal({"CATALOG_DATABSE_URL": "x"})
    assert message == ("CATALOG_DATABSE_URL: is not a setting (did you mean CATALOG_DATABASE_URL?)")


def test_all_that_is_wrong_is_named_in_one_line() -> None:
    message = refusal({"CATALOG_X": "1", "CATALOG_BUS_URL": "kafka://b", "CATALOG_PUBLIC_URL": ""})
    assert "CATALOG_X" in message
    assert "CATALOG_BUS_URL" in message
    assert "CATALOG_PUBLIC_URL" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CATALOG_DATABASE_URL", "postgresql://u:hush@db/catalog"),
        ("CATALOG_DATABASE_URL", "postgresql+asyncpg://u:hush@db"),
        ("CATALOG_DATABASE_URL", "postgresql+asyncpg://u:hush@db/catalog?sslmode=require"),
        ("CATALOG_DATABASE_URL", "postgresql+asyncpg://u:hush@db/catalog?ssl=maybe"),
        ("CATALOG_DATABASE_URL", "postgresql+asyncpg://u:hush@db/catalog?timeout=5"),
        ("CATALOG_DATABASE_URL", "sqlite+aiosqlite:///var/catalog.db?timeout=5"),
        ("CATALOG_DATABASE_URL", "sqlite+aiosqlite://"),
        ("CATALOG_DATABASE_URL", "sqlite+aiosqlite:///:memory:"),
        ("CATALOG_BUS_URL", "amqp://u:hush@"),
        ("CATALOG_BUS_URL", "amqp://u:hush@mq:port"),
        ("CATALOG_BUS_URL", "amqp://u:hush@mq\n"),
        ("CATALOG_BUS_URL", "memory://x"),
        ("CATALOG_IMAGE_STORE_URL", "file://images"),
        ("CATALOG_IMAGE_STORE_URL", "file:///"),
        ("CATALOG_IMAGE_STORE_URL", "file:///etc/passwd"),
        ("CATALOG_IMAGE_STORE_URL", "s3://bucket/folder"),
        ("CATALOG_PUBLIC_URL", "catalog.example"),
        ("CATALOG_PUBLIC_URL", "https://[::1"),
        ("CATALOG_PUBLIC_URL", "https://u:hush@catalog.example"),
        ("CATALOG_PUBLIC_URL", "https://catalog.example/hush" + "h" * 2_000),
        ("CATALOG_SECRET_KEY", "hush"),
        ("CATALOG_SECRET_KEY", "hush" * 10 + "\udcff"),
        ("CATALOG_SECRET_KEY_PREVIOUS", "hush"),
    ],
)
def test_a_malformed_value_is_refused_and_never_repeated(name: str, value: str) -> None:
    message = refusal({**DEPLOYED, name: value})
    assert message.startswith(f"{name}: ")
    assert "hush" not in message


@pytest.mark.parametrize("key", [None, DEVELOPMENT_KEY.get_secret_value()])
@pytest.mark.parametrize("left_embedded", ["CATALOG_DATABASE_URL", "CATALOG_BUS_URL", None])
def test_only_the_embedded_program_has_a_default_key(
    key: str | None, left_embedded: str | None
) -> None:
    environ = {name: value for name, value in DEPLOYED.items() if name != left_embedded}
    del environ["CATALOG_SECRET_KEY"]
    if key is not None:
        environ["CATALOG_SECRET_KEY"] = key
    settings = load(CatalogSettings, environ)
    with pytest.raises(InvalidSetting, match=r"^CATALOG_SECRET_KEY: must be set"):
        refuse_development_key(settings)
    with pytest.raises(InvalidSetting, match=r"^CATALOG_SECRET_KEY: must be set"):
        Tokens.of("catalog", settings)


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),  # noqa: S104 - the point
        ("::", False),
        ("10.0.0.5", False),
        ("fe80::1%eth0", False),
        ("::ffff:10.0.0.5", False),
    ],
)
def test_the_default_key_will_do_where_only_this_machine_connects(
    address: str, *, ours: bool
) -> None:
    settings = load(CatalogSettings, {})
    if ours:
        refuse_development_key(settings, address=address)
    else:
        with pytest.raises(InvalidSetting, match=r"^CATALOG_SECRET_KEY: must be set"):
            refuse_development_key(settings, address=address)
    refuse_development_key(load(CatalogSettings, {"CATALOG_SECRET_KEY": KEY}), address=address)


def test_what_everybody_knows_is_no_previous_key_either() -> None:
    known = DEVELOPMENT_KEY.get_secret_value()
    settings = load(CatalogSettings, {**DEPLOYED, "CATALOG_SECRET_KEY_PREVIOUS": known})
    with pytest.raises(InvalidSetting, match=r"^CATALOG_SECRET_KEY_PREVIOUS: "):
        refuse_development_key(settings)


def test_a_previous_key_that_is_empty_is_none() -> None:
    settings = load(CatalogSettings, {**DEPLOYED, "CATALOG_SECRET_KEY_PREVIOUS": ""})
    assert settings.secret_key_previous is None


def test_every_secret_can_be_given_by_a_file(tmp_path: Path) -> None:
    given = {
        **{name.replace("CATALOG", "NOTIFIER"): value for name, value in DEPLOYED.items()},
        "NOTIFIER_SECRET_KEY_PREVIOUS": "p" * 32,
        "NOTIFIER_SMTP_URL": "smtp://ann:hush@mail.example",
    }
    assert {name.removeprefix("NOTIFIER_").lower() for name in given} == NotifierSettings.secrets()
    for number, end in enumerate(("", "\n", "\r\n")):
        environ = {}
        for name, value in given.items():
            path = tmp_path / f"{name}-{number}"
            path.write_bytes((value + end).encode())
            environ[f"{name}_FILE"] = str(path)
        assert load(NotifierSettings, environ) == load(NotifierSettings, given)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"hush" * 10 + b"\0", "the file holds a NUL character"),
        (b"hush" * 10 + b"\xff", "the file is not UTF-8 text"),
        (b"hush" * 10 + b"\nhush", "the file has more than one line"),
        (b"hush" * 20_000, "the file has more than 65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_a_secret_is_named_by_its_setting(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "hush"
    if content is not None:
        path.write_bytes(content)
    for setting in ("CATALOG_SECRET_KEY", "CATALOG_SECRET_KEY_PREVIOUS", "CATALOG_BUS_URL"):
        assert refusal({f"{setting}_FILE": str(path)}) == f"{setting}_FILE: {reason}"


def test_a_path_that_names_no_file_is_refused(tmp_path: Path) -> None:
    assert refusal({"CATALOG_BUS_URL_FILE": ""}) == "CATALOG_BUS_URL_FILE: must name a file"
    there = {"CATALOG_BUS_URL_FILE": str(tmp_path)}
    assert refusal(there) == "CATALOG_BUS_URL_FILE: cannot be read: Is a directory"
    both = {"CATALOG_BUS_URL_FILE": str(tmp_path), "CATALOG_BUS_URL": "memory://"}
    assert refusal(both) == "CATALOG_BUS_URL, CATALOG_BUS_URL_FILE: set one of the two"


def test_what_holds_no_secret_has_no_file() -> None:
    message = refusal({"CATALOG_PUBLIC_URL_FILE": "x", "CATALOG_SECRET_KY_FILE": "x"})
    assert "CATALOG_PUBLIC_URL_FILE: is not a setting" in message
    assert "did you mean CATALOG_SECRET_KEY_FILE?" in message


def test_what_a_file_holds_is_checked_like_any_value(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush")
    message = refusal({"CATALOG_SECRET_KEY_FILE": str(tmp_path / "key")})
    assert message == "CATALOG_SECRET_KEY: must have at least 32 bytes"


def test_no_password_shows_in_the_repr() -> None:
    assert "hush" not in repr(load(CatalogSettings, DEPLOYED))
    with pytest.raises(ValidationError) as caught:
        CatalogSettings(bus_url="kafka://shop:hush@mq/")
    assert "hush" not in str(caught.value)


def test_the_memory_bus_is_for_the_embedded_program_only() -> None:
    settings = load(CatalogSettings, {})
    refuse_memory_bus(settings, embedded=True)
    refuse_memory_bus(load(CatalogSettings, DEPLOYED))
    with pytest.raises(InvalidSetting, match="CATALOG_BUS_URL"):
        refuse_memory_bus(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFIER_MAIL_FROM", "nobody"),
        ("NOTIFIER_MAIL_FROM", "news@shop.example Shop"),
        ("NOTIFIER_MAIL_FROM", "a@b.example, c@d.example"),
        ("NOTIFIER_MAIL_FROM", "Shop <a@b.example> and more"),
        ("NOTIFIER_MAIL_FROM", "Shop <a@b.example"),
        ("NOTIFIER_MAIL_FROM", "Shop <a@b.example, c@d.example>"),
        ("NOTIFIER_MAIL_FROM", "Shop <a@b.example>\r\nBcc: x@y.example"),
        ("NOTIFIER_SMTP_URL", "imap://mail.example"),
        ("NOTIFIER_SMTP_URL", "smtp://"),
    ],
)
def test_the_notifier_checks_how_it_sends(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name}: "):
        load(NotifierSettings, {name: value})


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("news@shop.example", "news@shop.example"),
        ("<news@shop.example>", "news@shop.example"),
        ("Shop <news@shop.example>", "Shop <news@shop.example>"),
        ("Lamps, Inc. <news@shop.example>", '"Lamps, Inc." <news@shop.example>'),
        ('"Lamps \\"Ann\\"" <news@shop.example>', '"Lamps \\"Ann\\"" <news@shop.example>'),
        ("Bücher <news@bücher.example>", "Bücher <news@xn--bcher-kva.example>"),
    ],
)
def test_the_sender_is_an_address_with_or_without_a_name(said: str, kept: str) -> None:
    assert load(NotifierSettings, {"NOTIFIER_MAIL_FROM": said}).mail_from == kept


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://u:hush@db/catalog?ssl=verify-full",
        "postgresql+asyncpg://u@/catalog?host=/run/postgresql",
        "postgresql+asyncpg://u:hush@pooler/catalog?prepared_statement_cache_size=0",
        "postgresql+asyncpg://u:hush@/catalog?host=one&host=two&port=5432&port=5433",
    ],
)
def test_where_a_database_is_may_be_said_by_a_query(url: str) -> None:
    assert load(CatalogSettings, {"CATALOG_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize("written", ["debug", "DEBUG", "Debug"])
def test_a_level_of_the_log_is_taken_in_any_case(written: str) -> None:
    settings = load(CatalogSettings, {"CATALOG_LOG_LEVEL": written, "CATALOG_LOG_FORMAT": "JSON"})
    assert (settings.log_level, settings.log_format) == ("debug", "json")


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("CATALOG_LOG_LEVEL", "'debug', 'info', 'warning' or 'error'"),
        ("CATALOG_LOG_FORMAT", "'text', 'json' or 'auto'"),
    ],
)
def test_another_word_about_the_log_is_met_with_those_that_there_are(
    name: str, choices: str
) -> None:
    with pytest.raises(InvalidSetting, match=f"{name}: input should be {choices}"):
        load(CatalogSettings, {name: "loud"})


@pytest.mark.parametrize(
    ("catalog", "notifier", "otherwise", "found"),
    [
        ({}, {}, "info", ("info", "auto")),
        ({}, {}, "warning", ("warning", "auto")),
        ({"LEVEL": "info"}, {}, "warning", ("info", "auto")),
        ({"LEVEL": "error"}, {}, "info", ("error", "auto")),
        ({"LEVEL": "error"}, {"LEVEL": "debug"}, "info", ("debug", "auto")),
        ({"FORMAT": "json"}, {"FORMAT": "text"}, "info", ("info", "json")),
        ({}, {"FORMAT": "text"}, "info", ("info", "text")),
    ],
)
def test_the_log_of_a_process_follows_its_services(
    catalog: dict[str, str],
    notifier: dict[str, str],
    otherwise: LogLevel,
    found: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configured: list[tuple[str, str]] = []
    monkeypatch.setattr("heliograph.logging.configure", lambda *said: configured.append(said))
    log_as(
        load(CatalogSettings, {f"CATALOG_LOG_{name}": each for name, each in catalog.items()}),
        load(NotifierSettings, {f"NOTIFIER_LOG_{name}": each for name, each in notifier.items()}),
        otherwise=otherwise,
    )
    assert configured == [found]


def test_the_table_names_every_setting_and_no_key() -> None:
    renewed = with_table("before <!-- settings --> old <!-- /settings --> after")
    assert renewed.startswith("before ")
    assert renewed.endswith(" after")
    for settings in (CatalogSettings, NotifierSettings):
        for name in settings.model_fields:
            assert settings.prefix + name.upper() in table()
        for name in settings.secrets():
            assert f"`{settings.prefix}{name.upper()}_FILE`" in table()
    assert DEVELOPMENT_KEY.get_secret_value() not in renewed
