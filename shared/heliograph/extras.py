"""Extras: what `pip install "heliograph[…]"` adds, and a sentence for who lacks one."""

from collections.abc import Iterator
from contextlib import contextmanager

from heliograph.errors import MissingExtra


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import what the extra brings; raise `MissingExtra`, naming it, if something is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "heliograph"):
            raise
        raise MissingExtra(
            f"{missing} is not installed: pip install 'heliograph[{name}]'", name=missing
        ) from error
