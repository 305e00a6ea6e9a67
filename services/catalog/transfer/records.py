"""Records: what an import reads from a file, whether or not it can be read."""

from dataclasses import dataclass
from typing import Any

from services.catalog.errors import CatalogError

FIELDS = ("sku", "name", "description", "price", "currency", "categories")


class UnreadableFile(CatalogError):
    """The file as a whole is not what it should be."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a file; `data` is None if it cannot be read, and `reason` says why."""

    line: int
    """The line on which it begins, from 1."""
    last_line: int
    end: int
    """The byte behind it: where to go on."""
    data: dict[str, Any] | None
    reason: str = ""
    text: str = ""
    """What stands in the file, as far as it is UTF-8, if `data` is None."""
