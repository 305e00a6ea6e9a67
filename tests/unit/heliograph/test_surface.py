"""What others may import, and from where."""

import ast
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import heliograph

ROOT = Path(__file__).parents[3]
LIBRARY = ROOT / "shared/heliograph"
MOST_MODULES = 14

SURFACE = {
    "heliograph": (
        "BusError BusUnavailable CannotAnnounce Changes Contract DatabaseUnavailable Deadlock "
        "Event EventTooLarge HeliographError Instant InvalidSetting Malformed MessageRefused "
        "MigrationBlocked Misregistered "
        "MissingCollaborator MissingExtra Park Refused SchemaNotCurrent Signal "
        "Unannounced __version__ got_request_exception m2m_changed post_delete post_save "
        "pre_delete pre_save receiver request_finished request_started"
    ),
    "heliograph.signals": (
        "Collaborators MODEL_SIGNALS NOBODY QueuedReceiver Signal Signalling announced_signals "
        "check_collaborators event_kinds got_request_exception m2m_changed post_delete post_save "
        "pre_delete pre_save queued_receivers receiver request_finished request_started"
    ),
    "heliograph.events": (
        "BESIDES BESIDES_ID CONTENT_TYPE Event EventKind FieldNames Ids LaterVersion "
        "MAX_HEADER_LENGTH MOST_FIELDS Word admit check_data decode decode_for encode event_type "
        "exchange follow_up headers_to_json messages new_id routing_key sequence"
    ),
    "heliograph.asyncapi": "STYLE body_schema document header_schema page",
    "heliograph.bus": (
        "Binding Bus Delivery KEPT LARGEST_BODY MemoryBus Message Publisher Queue Subscription "
        "Topology bus_from_url queue_arguments"
    ),
    "heliograph.bus.rabbitmq": "RabbitBus",
    "heliograph.outbox": (
        "Claims EncodedEvent EventBuffer Failure Outbox PARTITIONS Parked ParkedRows Progress "
        "Relay claims_for encode_all outbox_table relay_lease_table"
    ),
    "heliograph.outbox.claims": "Claim Claims OutboxRow Outcome claims_for",
    "heliograph.inbox": (
        "Consumer HandlingState Inbox LeaseLost NotWhole Parked ParkedInFull ParkedRows "
        "RunOutcome Worker inbox_table"
    ),
    "heliograph.programs": "Process Programs Running program_table",
    "heliograph.database": (
        "Backlog Bell BigId BulkInsert Condition Database Inserting NotifyBridge Query Schema "
        "Session Signalling Statement TableBacklog Unfinished UtcDateTime among database_now "
        "driver inserting one_of query_for statement_for unavailable unindexed upsert"
    ),
    "heliograph.database.migrations": (
        "Migrations create_index_concurrently drop_index_concurrently replace_index_concurrently"
    ),
    "heliograph.storage": (
        "CONTENT_TYPES ImageStore InvalidKey InvalidStoreURL KeyTaken MemoryImageStore "
        "StorageError StoreUnavailable StoredImage StoredKey image_store is_key new_key"
    ),
    "heliograph.http": (
        "FieldProblem Health InboxMetrics Liveness MEDIA_TYPE Metrics NameTwice NamedRoute "
        "OutboxMetrics PROBLEMS Problem ProblemError Readiness SECURITY_HEADERS Watched "
        "answer_http_error answer_unexpected gzip_tag max_body plain_app pointer problem_response "
        "problem_type problems"
    ),
    "heliograph.web": (
        "FailingEvents GuardedRoute Limit OptionalCaller PAGE RunningPrograms asyncapi_router "
        "create_app inbox_router media_type outbox_router programs_router requires service_of"
    ),
    "heliograph.service": (
        "AnnouncingService CannotListen HttpServer Part PartFailed PortBusy Prunable Retention "
        "Role Service bind in_shutdown_order migrate opened patiently run run_parts serve"
    ),
    "heliograph.cli": "Program command_line outbox_commands typer_app with_service",
    "heliograph.testing": (
        "Announcement Command Failure NotDrained Received SMTPServer advance announce announced "
        "at_work drained smtp unfinished"
    ),
    "contracts": "Category Image Picture Price Product Variant View viewed",
}
"""Every public name of the library and of each room; a change here is one for other teams."""

GROUND = {
    "contract": "Changes Contract EARLIEST Instant LATEST announced_as lineage rfc3339",
    "crash": "Fuse POINTS VARIABLE arm crash_point fuse",
    "errors": (
        "BusError BusUnavailable CannotAnnounce DatabaseUnavailable Deadlock EventTooLarge "
        "HeliographError InvalidSetting Malformed MessageRefused MigrationBlocked Misregistered "
        "MissingCollaborator MissingExtra Park Refused SchemaNotCurrent State Unannounced"
    ),
    "extras": "extra",
    "group_commit": "GroupCommit",
    "logging": "NAMED configure masked of_event of_events",
    "money": "LARGEST_MINOR currencies exponent from_minor is_amount to_minor",
    "secret_files": "LARGEST_BYTES SUFFIX secret",
    "payload": "Payload UNKNOWN_TOLD",
    "settings": (
        "BusURL DEVELOPMENT_KEY DatabaseURL ImageStoreSettings ImageStoreURL LOG_LEVELS "
        "LONGEST_PUBLIC_URL LogFormat LogLevel MEMORY_BUS PublicURL SHORTEST_KEY ServiceSettings "
        "directory_url load log_as refuse_development_key refuse_memory_bus"
    ),
    "text": "LINE Line TEXT Text printable readable",
    "tokens": (
        "ALGORITHM Caller EXPIRED ISSUER InvalidToken KNOWN_TOKENS LEEWAY LIFETIME "
        "LONGEST_SUBJECT LONGEST_TOKEN SCOPE TYPE Tokens checked_subject"
    ),
    "waiting": "LEASE_S PAUSES_S Retries Trouble leave pause_after stopped_within unless_stopped",
}
"""The modules beside the rooms, which are for everybody: all that they define."""

# They look behind the faces: the former to test, the latter to measure, what is there.
INSIDERS = ("tests", "benchmarks")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """The modules that a file imports, each with the name taken from it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, each.name) for each in node.names)
        elif isinstance(node, ast.Import):
            yield from ((each.name, "") for each in node.names)


def definitions(path: Path) -> Iterator[str]:
    """What a file defines at its top, but for type variables."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and len(target.id) > 1:
                    yield target.id


def ours() -> Iterator[Path]:
    for folder in ("shared", "services", "tools", "chaos", "benchmarks", "tests"):
        yield from (ROOT / folder).rglob("*.py")


@pytest.mark.parametrize("room", SURFACE)
def test_the_public_names_are_these_and_each_is_there(room: str) -> None:
    module = import_module(room)
    assert sorted(set(module.__all__)) == SURFACE[room].split()
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_the_modules_beside_the_rooms_define_these() -> None:
    found = {
        path.stem: sorted(each for each in definitions(path) if not each.startswith("_"))
        for path in LIBRARY.glob("*.py")
        if path.stem != "__init__"
    }
    assert found == {name: names.split() for name, names in GROUND.items()}


def test_a_name_that_is_not_there_is_an_error_and_no_guess() -> None:
    with pytest.raises(AttributeError, match="no attribute 'post_safe'"):
        _ = heliograph.post_safe  # type: ignore[attr-defined]  # that is the point


def test_everybody_imports_what_a_room_shows_and_nothing_behind_it() -> None:
    found = []
    for path in ours():
        place = path.relative_to(ROOT)
        if place.parts[0] in INSIDERS:
            continue
        home = (
            ".".join(place.relative_to("shared").parts[:-1]) if place.parts[0] == "shared" else ""
        )
        for module, name in imports(path):
            parts = module.split(".")
            if parts[0] != "heliograph" or len(parts) == 1:
                continue
            room = f"heliograph.{parts[1]}"
            if home == room or home.startswith(f"{room}."):
                continue
            if room in SURFACE and name not in SURFACE.get(module, "").split():
                found.append(f"{place}: from {module} import {name}")
    assert found == []


def test_nothing_imports_shared() -> None:
    # Each module would be loaded twice, with two of every class and signal.
    assert not (ROOT / "shared/__init__.py").exists()
    assert [
        path for path in ours() for module, _ in imports(path) if module.split(".")[0] == "shared"
    ] == []


def test_each_room_can_be_entered_first() -> None:
    program = (
        "import sys\n"
        f"for room in {[each for each in SURFACE if each != 'contracts']}:\n"
        "    for name in [each for each in sys.modules if each.startswith('heliograph')]:\n"
        "        del sys.modules[name]\n"
        "    __import__(room)\n"
    )
    entered = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert entered.returncode == 0, entered.stderr


def test_the_words_load_nothing_that_an_extra_brings() -> None:
    brought = "fastapi uvicorn typer rich jwt prometheus_client alembic aiormq asyncpg obstore"
    program = (
        "import sys, heliograph\n"
        "for name in heliograph.__all__: getattr(heliograph, name)\n"
        f"print(*sys.modules.keys() & set({brought.split()}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == ""


def test_no_room_is_a_hall() -> None:
    modules = defaultdict(list)
    for path in ours():
        modules[path.parent].append(path.name)
    crowded = {
        str(room.relative_to(ROOT)): len(names)
        for room, names in modules.items()
        # Migrations are a series, which nobody reads as a whole.
        if len(names) > MOST_MODULES and room.name != "versions"
    }
    assert crowded == {}


def test_the_distribution_says_what_the_code_and_the_locks_say() -> None:
    project = tomllib.loads((ROOT / "shared/pyproject.toml").read_text())
    assert project["project"]["version"] == heliograph.__version__
    [backend] = project["build-system"]["requires"]
    lowest = backend.removeprefix("uv_build>=").partition(",")[0]
    # Another backend than the pinned uv's own would be fetched, without a hash.
    assert f"uv=={lowest} " in (ROOT / "requirements/uv.txt").read_text()
