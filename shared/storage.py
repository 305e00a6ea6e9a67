"""Where the files of images live: a directory, an S3 bucket, or memory in tests.

HeliographError
└── StorageError
    ├── InvalidStoreURL    the URL does not name a store
    ├── InvalidKey         not a key of ours: nothing was touched
    ├── KeyTaken           a file of that key exists already
    └── StoreUnavailable   the store is away, full, or refuses us
"""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from shared.errors import HeliographError

#: The types of file that are stored: extension to content type.
CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
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
        """Create a file; it is visible whole or not at all. Raises `KeyTaken`."""
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


def image_store(url: str) -> ImageStore:
    """The store that a `*_IMAGE_STORE_URL` names.

    The directory of `file:///directory` is created if it is missing. The bucket of
    `s3://bucket` must exist; endpoint, region and credentials come from the usual `AWS_*`
    variables. Raises `InvalidStoreURL`, or `StoreUnavailable` when a directory cannot be
    made; a bucket is first met by `check`.
    """
    # Imported here, as it builds on the rest of this module.
    from shared.storage_obstore import ObstoreImageStore  # noqa: PLC0415

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidStoreURL("The URL of the image store cannot be read.") from error
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidStoreURL("The URL of an image store takes no user, query or fragment.")
    if parts.scheme == "file":
        path = unquote(parts.path)
        if parts.netloc or not path.startswith("/") or not path.strip("/") or "\0" in path:
            raise InvalidStoreURL("A directory of images is written file:///absolute/path.")
        return ObstoreImageStore.directory(path)
    if parts.scheme == "s3":
        if parts.path.strip("/") or not _BUCKET.fullmatch(parts.netloc):
            raise InvalidStoreURL("A bucket of images is written s3://bucket, without a path.")
        return ObstoreImageStore.bucket(parts.netloc)
    raise InvalidStoreURL("An image store is either file:///directory or s3://bucket.")


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


class MemoryImageStore:
    """The store of tests: as strict about keys as the others, gone with the process."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, datetime]] = {}

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        if checked_key(key) in self._files:
            raise KeyTaken(key)
        self._files[key] = (bytes(data), datetime.now(UTC))

    async def get(self, key: str) -> StoredImage | None:
        found = self._files.get(checked_key(key))
        if found is None:
            return None
        data, last_modified = found

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        return StoredImage(key, len(data), last_modified, chunks)

    async def delete(self, key: str) -> bool:
        return self._files.pop(checked_key(key), None) is not None

    async def keys(self) -> AsyncIterator[StoredKey]:
        for key, (data, last_modified) in list(self._files.items()):
            yield StoredKey(key, len(data), last_modified)

    async def check(self) -> None:
        return None
