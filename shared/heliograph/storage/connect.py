"""From a setting to the store that it names."""

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from heliograph.extras import extra
from heliograph.storage.store import ImageStore, InvalidStoreURL

if TYPE_CHECKING:
    from heliograph.storage.objects import ObstoreImageStore

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def image_store(url: str) -> ImageStore:
    """The store that a `*_IMAGE_STORE_URL` names.

    The directory of `file:///directory` is created if it is missing. The bucket of
    `s3://bucket` must exist; endpoint, region and credentials come from the usual `AWS_*`
    variables. Raises `InvalidStoreURL`, or `StoreUnavailable` when a directory cannot be
    made; a bucket is first met by `check`.
    """
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
        return _objects().directory(path)
    if parts.scheme == "s3":
        if parts.path.strip("/") or not _BUCKET.fullmatch(parts.netloc):
            raise InvalidStoreURL("A bucket of images is written s3://bucket, without a path.")
        return _objects().bucket(parts.netloc)
    raise InvalidStoreURL("An image store is either file:///directory or s3://bucket.")


def _objects() -> "type[ObstoreImageStore]":
    with extra("storage"):
        from heliograph.storage.objects import ObstoreImageStore
    return ObstoreImageStore
