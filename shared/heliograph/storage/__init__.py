"""Where files live: a directory, an S3 bucket, or memory in tests.

The first two need the extra `storage`.
"""

from heliograph.storage.connect import image_store
from heliograph.storage.memory import MemoryImageStore
from heliograph.storage.store import (
    CONTENT_TYPES,
    ImageStore,
    InvalidKey,
    InvalidStoreURL,
    KeyTaken,
    StorageError,
    StoredImage,
    StoredKey,
    StoreUnavailable,
    is_key,
    new_key,
)

__all__ = [
    "CONTENT_TYPES",
    "ImageStore",
    "InvalidKey",
    "InvalidStoreURL",
    "KeyTaken",
    "MemoryImageStore",
    "StorageError",
    "StoreUnavailable",
    "StoredImage",
    "StoredKey",
    "image_store",
    "is_key",
    "new_key",
]
