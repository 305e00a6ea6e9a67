"""Logging: one line an event, JSON for machines, colours for a terminal."""

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


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

_PASSWORD = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*):[^\s/]*@")

# Loggers that repeat at INFO what our own lines say.
_TALKATIVE = ("uvicorn", "alembic", "aiormq", "aio_pika", "aiosqlite", "botocore")


def masked(text: str) -> str:
    """The text with the password of every URL in it replaced by `***`."""
    return _PASSWORD.sub(r"\1:***@", text)


def _mask(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = masked(value)
        elif isinstance(value, BaseException):
            event[key] = masked(repr(value))
    return event


def configure(level: str = "INFO") -> None:
    """Send every log line of the process, ours and the libraries', to standard error.

    JSON, or colours if standard error is a terminal. Passwords in URLs are masked, those
    in tracebacks too. `level` is one of logging's names.
    """
    terminal = sys.stderr.isatty()
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
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
