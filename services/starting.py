"""A program's first moment; imports nothing that has to be installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def starting() -> Iterator[None]:
    """Import what a program needs; end with one line if it is not installed, or at Ctrl-C."""
    try:
        yield
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "services", "tools"):
            raise
        sys.stderr.write(
            f"error: {missing} is not installed for {sys.executable}: `make run` installs "
            "everything into .venv, and .venv/bin/python has it\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
