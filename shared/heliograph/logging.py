"""Logging: one line an event, JSON for machines, colours for a terminal."""

import asyncio
import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let whoever looks for the module meanwhile not find it, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # as the import system has it
    try:
        yield
    finally:
        del sys.modules[name]


# structlog loads rich where it is installed, to draw tracebacks, which we log as text: a sixth of
# the CPU of a program's start.
with _hidden("rich"):
    import structlog

_SECRETS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    # The password of a URL, before its host or in its query.
    ("://", re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*):[^\s/]*@"), r"\1:***@"),
    ("password=", re.compile(r"([?&]password=)[^&\s'\"]*"), r"\1***"),
    # PostgreSQL names the values that broke a constraint, up to where the error's text ends.
    (
        "DETAIL:",
        re.compile(
            r"DETAIL: .*?(?=\nHINT: |\n\[SQL|\n\nThe above exception|\n\nDuring handling|"
            r"\n[ |]*\+-|\Z)",
            re.DOTALL,
        ),
        "DETAIL: ***",
    ),
    # asyncpg and PostgreSQL quote a value that they cannot read.
    ("query argument", re.compile(r"(invalid input for query argument \$\d+): [^\n]*"), r"\1: ***"),
    ("input syntax", re.compile(r"(invalid input syntax for [\w ]+): [^\n]*"), r"\1: ***"),
    # pydantic and FastAPI repeat what they validated.
    (
        "input_value=",
        re.compile(r"input_value=.*?, input_type=", re.DOTALL),
        "input_value=***, input_type=",
    ),
    ("'input':", re.compile(r"'input': [^\n]*"), "'input': ***"),
)
"""What may hold a secret or somebody's data: a word that is quick to find, the whole, the rest."""

_TRACE_ID = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

NAMED = 5
"""Most events that one line names."""

# Loggers that repeat at INFO what our own lines say.
_TALKATIVE = ("uvicorn", "alembic", "aiosqlite", "botocore", "httpx2")


def masked(text: str) -> str:
    """The text without passwords of URLs, nor the values that a database or pydantic complains of.

    For whatever others have worded and we log, store or show.
    """
    for word, pattern, rest in _SECRETS:
        if word in text:
            text = pattern.sub(rest, text)
    return text


def of_event(event_id: object, subject: object, traceparent: object) -> dict[str, object]:
    """What a line says of the one event that it is about: its id, subject and trace, if known."""
    told: dict[str, object] = {"event_id": str(event_id)}
    if subject is not None:
        told["subject"] = str(subject)
    if isinstance(traceparent, str) and (found := _TRACE_ID.fullmatch(traceparent)):
        told["trace"] = found[1]
    return told


def of_events(ids: Sequence[object]) -> dict[str, object]:
    """What a line says of many events: how many they are, and the ids of the first few."""
    return {"events": len(ids), "event_ids": [str(each) for each in ids[:NAMED]]}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, BaseException):
        return masked(repr(value))
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(each) for each in value]
    return value


def _mask(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if not key.startswith("_"):
            event[key] = _masked(value)
    return event


def _json(event: Mapping[str, Any], **options: Any) -> str:
    try:
        return json.dumps(event, allow_nan=False, **options)
    except ValueError:  # NaN is no JSON, but no reason to lose a line
        told = {name: each if isinstance(each, str) else repr(each) for name, each in event.items()}
        return json.dumps(told)


def configure(
    level: Literal["debug", "info", "warning", "error", "critical"] = "info",
    format: Literal["text", "json", "auto"] = "auto",
) -> None:
    """Send every log line of the process, ours and the libraries', to standard error.

    Text, which a terminal gets by default, has colours there. What `masked` masks is masked, in
    tracebacks too.
    """
    terminal = sys.stderr.isatty()
    text = terminal if format == "auto" else format == "text"
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _mask,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before[:3],
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before[4:],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=terminal)
        if text
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    handler = logging.StreamHandler(sys.stderr)
    # Besides the root's, for loggers that have a level of their own.
    handler.setLevel(level.upper())
    handler.addFilter(_is_no_cancellation)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # The interpreter's own traceback would not be masked.
    sys.excepthook = _log_uncaught


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Whether it tells of something else: SQLAlchemy logs it as an error when it is cancelled."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    logging.getLogger(__name__).critical("failed", exc_info=(kind, error, traceback))
