"""What can go wrong in the catalog, as one tree; each message is a sentence for the client.

CatalogError
 ├─ NotFound            there is no such thing
 ├─ Conflict            it clashes with what is there
 └─ PreconditionFailed  the thing is no longer what the caller saw
"""

from shared.errors import HeliographError


class CatalogError(HeliographError):
    """Any error of the catalog's own."""


class NotFound(CatalogError):
    """There is nothing under that id."""


class Conflict(CatalogError):
    """The change clashes with what is in the catalog."""


class PreconditionFailed(CatalogError):
    """The version that the caller named is not the current one."""
