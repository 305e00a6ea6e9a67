"""The store of tests."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from heliograph.storage.store import KeyTaken, StoredImage, StoredKey, checked_key


class MemoryImageStore:
    """The store of tests: as strict about keys as the others, gone with the process."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, datetime]] = {}

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        found, _ = self._files.setdefault(checked_key(key), (bytes(data), datetime.now(UTC)))
        if found != data:
            raise KeyTaken(key)

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
