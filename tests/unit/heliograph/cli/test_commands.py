"""The commands of a service, on the catalog's database in a file."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from heliograph.bus import Delivery
from heliograph.inbox.reading import entry
from heliograph.outbox import Progress, Relay, claims_for
from heliograph.service import opened
from heliograph.tokens import Tokens
from services.catalog.__main__ import app, program
from services.catalog.models import outbox, relay_lease
from services.catalog.service import Catalog
from tests.integration.heliograph.outbox.test_refusals import Broker
from tests.samples import event

Run = Callable[..., Result]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CATALOG_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/catalog.db")


@pytest.fixture
def command(environment: None) -> Iterator[Run]:
    """Run a command; the logging of the tests is as before afterwards."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    configuration = structlog.get_config()
    yield lambda *words: CliRunner().invoke(app, [str(word) for word in words])
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


def on_catalog(work: Callable[[Catalog], Coroutine[None, None, None]]) -> None:
    async def main() -> None:
        async with opened(program.make, program.load()) as catalog:
            await work(catalog)

    asyncio.run(main())


@pytest.fixture
def parked(command: Run) -> list[int]:
    """The ids of two parked events; what they hold is not for a terminal."""
    assert command("migrate").exit_code == 0
    ids: list[int] = []

    async def park(catalog: Catalog) -> None:
        receiver = catalog.receivers[0]
        queue = receiver.queue("catalog").name
        bodies = (b"{", b"\x1b[2J")
        await catalog.inbox.accept(
            receiver,
            [
                entry(receiver, Delivery(queue, "catalog.product.viewed", {}, body))
                for body in bodies
            ],
        )
        ids.extend(each.id for each in await catalog.inbox.parked.page())

    on_catalog(park)
    return ids


@pytest.mark.parametrize(("said", "level"), [(None, "WARNING"), ("Debug", "DEBUG")])
def test_a_command_says_little_unless_it_is_told_to(
    command: Run, monkeypatch: pytest.MonkeyPatch, said: str | None, level: str
) -> None:
    if said:
        monkeypatch.setenv("CATALOG_LOG_LEVEL", said)
    for words in (["migrate"], ["inbox", "status"]):
        assert command(*words).exit_code == 0
        assert logging.getLevelName(logging.getLogger().level) == level


def test_a_token_is_all_that_is_printed_and_is_accepted(command: Run) -> None:
    printed = command(
        "token", "--subject", "ann", "--scope", "catalog:read", "--scope", "catalog:write"
    )
    assert printed.exit_code == 0
    caller = Tokens(program.load().secret_key, "catalog").verify(printed.stdout.removesuffix("\n"))
    assert caller.subject == "ann"
    assert caller.scopes == {"catalog:read", "catalog:write"}


def test_a_token_without_a_scope_is_refused(command: Run) -> None:
    assert command("token", "--subject", "ann").exit_code == 2


@pytest.mark.parametrize("scope", ["foo", "catalog", "catalog:reed", "catalgo:read", "a b:read"])
def test_what_is_no_scope_is_refused_in_one_line(command: Run, scope: str) -> None:
    refused = command("token", "--subject", "ann", "--scope", "catalog:read", "--scope", scope)
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert f"error: {scope!r} is not a scope" in refused.stderr
    assert refused.stdout == ""


def test_a_token_may_be_for_several_services(command: Run) -> None:
    words = [f"--scope={each}" for each in ("catalog:write", "notifier:admin", "console:read")]
    printed = command("token", "--subject", "ann", *words)
    key = program.load().secret_key
    for service in ("catalog", "notifier", "console"):
        assert Tokens(key, service).verify(printed.stdout.strip()).subject == "ann"


@pytest.mark.parametrize(
    "words",
    [
        ["token", "--subject", "a", "--scope", "catalog:read"],
        ["migrate"],
        ["serve"],
        ["inbox", "status"],
    ],
)
def test_an_unknown_setting_stops_every_command_in_one_line(
    command: Run, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("CATALOG_DATABSE_URL", "x")
    refused = command(*words)
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "CATALOG_DATABSE_URL" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize("words", [["serve"], ["serve", "--only", "api"], ["relay"], ["work"]])
def test_the_memory_bus_is_refused_by_what_serves_relays_or_works(
    command: Run, words: list[str]
) -> None:
    refused = command(*words)
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "CATALOG_BUS_URL" in refused.stderr


@pytest.mark.parametrize("words", [["inbox", "status"], ["outbox", "status"], ["relay"]])
def test_a_schema_that_is_not_current_is_refused_with_the_way_out(
    command: Run, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    # Nobody listens there: the schema is looked at before the broker is needed.
    monkeypatch.setenv("CATALOG_BUS_URL", "amqp://guest:guest@127.0.0.1:1/")
    if words == ["relay"]:
        words = ["relay", "--port", "0"]
    refused = command(*words)
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "python -m services.catalog migrate" in refused.stderr


def test_an_empty_outbox_is_told(command: Run) -> None:
    assert command("migrate").exit_code == 0
    assert "waiting" in command("outbox", "status").stdout
    assert json.loads(command("outbox", "status", "--json").stdout) == {
        "rows": 0,
        "oldest_seconds": 0.0,
        "refused": 0,
        "parked": 0,
    }


def test_parked_events_are_counted_and_listed(command: Run, parked: list[int]) -> None:
    assert json.loads(command("inbox", "status", "--json").stdout) == [
        {"receiver": "record_views", "state": "parked", "rows": 2}
    ]
    assert "record_views" in command("inbox", "status").stdout
    listed = json.loads(command("inbox", "parked", "--json").stdout)
    assert [each["id"] for each in listed] == parked
    behind = json.loads(command("inbox", "parked", "--json", "--after", parked[0]).stdout)
    assert [each["id"] for each in behind] == parked[1:]
    assert "catalog.product.viewed" in command("inbox", "parked", "--limit", 1).stdout


def test_a_parked_event_is_shown_without_steering_the_terminal(
    command: Run, parked: list[int]
) -> None:
    shown = command("inbox", "show", parked[1])
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert "[2J" in shown.stdout
    assert json.loads(command("inbox", "show", parked[1], "--json").stdout)["body"] == "\x1b[2J"


def test_a_parked_event_is_shown_with_its_failures(command: Run, parked: list[int]) -> None:
    async def fail(catalog: Catalog) -> None:
        receiver = catalog.receivers[0]
        for reason in ("\x1b[2Jno light", "no light ever"):
            assert await catalog.inbox.parked.redrive([parked[0]]) == 1
            await catalog.inbox.park(await catalog.inbox.claim(receiver, 1, attempts=8), reason)

    on_catalog(fail)
    shown = command("inbox", "show", parked[0])
    assert "[2Jno light\n" in shown.stdout
    assert " no light ever\n" in shown.stdout
    assert "\x1b" not in shown.stdout
    found = json.loads(command("inbox", "show", parked[0], "--json").stdout)
    assert [each["reason"] for each in found["failures"]] == ["\x1b[2Jno light", "no light ever"]


def test_what_is_not_parked_cannot_be_shown(command: Run, parked: list[int]) -> None:
    refused = command("inbox", "show", 99)
    assert refused.exit_code == 1
    assert "99" in refused.stderr


@pytest.mark.parametrize(("verb", "done"), [("redrive", "redriven"), ("discard", "discarded")])
def test_chosen_events_are_released_and_unknown_ids_named(
    command: Run, parked: list[int], verb: str, done: str
) -> None:
    released = command("inbox", verb, parked[0], 99)
    assert released.exit_code == 0
    assert released.stdout == f"1 event {done}\n"
    assert "99" in released.stderr
    assert command("inbox", verb, parked[0]).exit_code == 1
    left = json.loads(command("inbox", "parked", "--json").stdout)
    assert [each["id"] for each in left] == parked[1:]


def test_all_parked_events_are_redriven_at_once(command: Run, parked: list[int]) -> None:
    assert command("inbox", "redrive", "--all").stdout == "2 events redriven\n"
    assert command("inbox", "redrive", "--all").stdout == "0 events redriven\n"


@pytest.mark.parametrize("words", [[], ["--all", "1"], ["0"], [str(2**63)], ["x"]])
def test_redrive_wants_ids_or_all(command: Run, words: list[str]) -> None:
    assert command("inbox", "redrive", *words).exit_code == 2


@pytest.fixture
def unpublished(command: Run) -> list[int]:
    """The ids of two events that the broker refused."""
    assert command("migrate").exit_code == 0
    ids: list[int] = []

    async def park(catalog: Catalog) -> None:
        sent = [event(), event()]
        broker = Broker()
        broker.never = {str(each.id) for each in sent}
        async with catalog.database.transaction() as session:
            for each in sent:
                catalog.outbox.hold(each, session)
        claims = claims_for(catalog.database, outbox, relay_lease)
        while await Relay(claims, broker, catalog.outbox.bell).relay_once() is Progress.MORE:
            pass
        ids.extend(each.id for each in await catalog.outbox.parked.page())

    on_catalog(park)
    return ids


def test_what_the_broker_refused_is_counted_listed_and_shown(
    command: Run, unpublished: list[int]
) -> None:
    assert json.loads(command("outbox", "status", "--json").stdout) == {
        "rows": 0,
        "oldest_seconds": 0.0,
        "refused": 0,
        "parked": 2,
    }
    listed = json.loads(command("outbox", "parked", "--json", "--after", unpublished[0]).stdout)
    assert [each["id"] for each in listed] == unpublished[1:]
    assert "body" not in listed[0]
    assert "PRECONDITION_FAILED" in command("outbox", "parked", "--limit", 1).stdout
    shown = command("outbox", "show", unpublished[0])
    assert "catalog.product.post_save" in shown.stdout
    assert "ce-subjectsequence" in shown.stdout
    assert json.loads(command("outbox", "show", unpublished[0], "--json").stdout)["body"]
    refused = command("outbox", "show", 99)
    assert (refused.exit_code, "99" in refused.stderr) == (1, True)


@pytest.mark.parametrize(("verb", "done"), [("redrive", "redriven"), ("discard", "discarded")])
def test_chosen_unpublished_events_are_released_and_unknown_ids_named(
    command: Run, unpublished: list[int], verb: str, done: str
) -> None:
    released = command("outbox", verb, unpublished[0], 99)
    assert (released.exit_code, released.stdout) == (0, f"1 event {done}\n")
    assert "99" in released.stderr
    assert command("outbox", verb, unpublished[0]).exit_code == 1
    assert command("outbox", verb).exit_code == 2
    left = json.loads(command("outbox", "parked", "--json").stdout)
    assert [each["id"] for each in left] == unpublished[1:]


def test_all_unpublished_events_are_redriven_at_once(command: Run, unpublished: list[int]) -> None:
    assert command("outbox", "redrive", "--all").stdout == "2 events redriven\n"
    assert command("outbox", "redrive", "--all").stdout == "0 events redriven\n"


def test_what_was_cut_can_be_shown_and_discarded_but_not_redriven(
    command: Run, parked: list[int]
) -> None:
    async def park(catalog: Catalog) -> None:
        receiver = catalog.receivers[0]
        huge = Delivery("q", "catalog.product.viewed", {}, b"x" * 1_000_000)
        await catalog.inbox.accept(receiver, [entry(receiver, huge)])

    on_catalog(park)
    listed = json.loads(command("inbox", "parked", "--json").stdout)
    assert [each["size"] for each in listed] == [None, None, 1_000_002]
    assert not {"body", "headers"} & listed[2].keys()
    huge = listed[2]["id"]
    shown = json.loads(command("inbox", "show", huge, "--json").stdout)
    assert shown["body"] == "x" * 65_536
    refused = command("inbox", "redrive", parked[0], huge)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr == (
        f"only the beginning was kept of what is parked under {huge}: "
        "it cannot be redriven, discard it\n"
    )
    assert command("inbox", "redrive", "--all").stdout == "2 events redriven\n"
    assert command("inbox", "discard", huge).stdout == "1 event discarded\n"
