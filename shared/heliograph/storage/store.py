"""Where the files of images live: a directory, an S3 bucket, or memory in tests.

One protocol; `heliograph.storage.connect` picks the store that a setting names.

HeliographError
└── StorageError
    ├── InvalidStoreURL    the URL does not name a store
    ├── InvalidKey         not a key of ours: nothing was touched
    ├── KeyTaken           another file of that key exists already
    └── StoreUnavailable   the store is away, full, or refuses us
"""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from heliograph.errors import HeliographError

#: The types of file that are stored: extension to content type.
CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

_KEY = re.compile(r"[0-9a-f]{32}\.(?:jpg|png|webp)")


class StorageError(HeliographError):
    """Anything that goes wrong between us and a store of images."""


class InvalidStoreURL(StorageError):
    """The URL is neither `file:///directory` nor `s3://bucket`; the message says why."""


class InvalidKey(StorageError):
    """The key is not one that `new_key` makes; the store was not asked."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key[:80]!r} is not the key of an image.")


class KeyTaken(StorageError):
    """A file of this key exists already and was left as it is."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The image {key} is stored already.")


class StoreUnavailable(StorageError):
    """The store is away, full, refuses us, or did not answer within its deadline."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A file in the store; `size` in bytes, `last_modified` in UTC by the store's clock."""

    key: str
    size: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A file that was found, its bytes not yet read.

    `chunks` streams them once and raises `StoreUnavailable` when the store fails midway.
    The content type follows from the key, never from what the store remembers.
    """

    key: str
    size: int
    last_modified: datetime
    chunks: Callable[[], AsyncIterator[bytes]]

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.key.rpartition(".")[2]]

    async def read(self) -> bytes:
        """All bytes at once."""
        return b"".join([chunk async for chunk in self.chunks()])


class ImageStore(Protocol):
    """Files under keys of ours, each written once and whole.

    Every call raises `InvalidKey` for a key that `new_key` cannot have made, before the
    store is asked: no path, no prefix, no traversal ever reaches it. `StoreUnavailable` is
    raised when the store fails or does not answer; a file whose `put` or `delete` ended so
    may come or go all the same.
    """

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Create a file; it is visible whole or not at all.

        Raises `KeyTaken` if there is one of other bytes; the same bytes change nothing.
        """
        ...

    async def get(self, key: str) -> StoredImage | None:
        """The file of this key, None if there is none."""
        ...

    async def delete(self, key: str) -> bool:
        """Remove a file for good. One already gone is a success too, and returns False."""
        ...

    def keys(self) -> AsyncIterator[StoredKey]:
        """All files with keys of ours, in no order; files of others are passed over."""
        ...

    async def check(self) -> None:
        """Raise `StoreUnavailable` unless the store answers."""
        ...


def new_key(extension: str) -> str:
    """A key that was never used: a random UUID and `jpg`, `png` or `webp`.

    It is one path segment and safe in a URL. Raises `ValueError` for another extension.
    """
    if extension not in CONTENT_TYPES:
        raise ValueError(f"No image is stored with the extension {extension!r}.")
    return f"{uuid4().hex}.{extension}"


def is_key(value: str) -> bool:
    """Whether `new_key` can have made this."""
    return _KEY.fullmatch(value) is not None


def checked_key(key: str) -> str:
    """The key itself. Raises `InvalidKey` unless it is one of ours."""
    if not is_key(key):
        raise InvalidKey(key)
    return key
