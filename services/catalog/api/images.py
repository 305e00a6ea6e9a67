"""`/v1/products/{id}/images`: add, list, read and delete."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile

import contracts
from heliograph.http import FieldProblem, ProblemError, max_body, pointer, problems
from heliograph.web import media_type
from services.catalog.api.dependencies import OwnCatalog, Reading, Writer, Writing
from services.catalog.api.etags import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag,
    unchanged,
    validators,
)
from services.catalog.api.idempotency import (
    IdempotencyKey,
    IdempotentRoute,
    claim_key,
    held_key,
)
from services.catalog.api.payloads import Alt, ImagePatch, merge_patch
from services.catalog.errors import NotFound
from services.catalog.images.darkroom import MAX_BYTES
from services.catalog.repositories.images import ImageRepository
from services.catalog.repositories.products import ProductRepository

MULTIPART_OVERHEAD = 64 * 1024
"""Bytes of a request around its file: boundaries and the headers of parts."""

router = APIRouter(prefix="/v1/products/{id}/images", tags=["images"], route_class=IdempotentRoute)

CACHE_CONTROL = "no-cache"

_writes = problems("unauthenticated", "forbidden")
_unchanged: dict[int | str, dict[str, Any]] = {
    304: {"description": "The client has this version."},
    **problems("not-found"),
}


class ImageList(BaseModel):
    """All images of a product, in the order in which they are shown."""

    items: list[contracts.Image]


@dataclass(frozen=True, slots=True)
class _Form:
    """What an upload holds."""

    file: UploadFile
    alt: str


_alt = TypeAdapter[str](Alt)


async def _existing(id: UUID, caller: Writer, catalog: OwnCatalog) -> UUID:
    # The session ends here: an upload can take longer than a transaction may be idle.
    async with catalog.database.reading() as session:
        if not await ProductRepository(session).exists(id):
            raise NotFound(f"there is no product {id}")
    return id


# The form is asked for last and read by hand: a caller who may not, or whose product does not
# exist, is answered before ten megabytes are taken in.
async def _form(
    request: Request, product_id: Annotated[UUID, Depends(_existing)]
) -> AsyncIterator[_Form]:
    if media_type(request) != "multipart/form-data":
        raise ProblemError("unsupported-media-type", "Send the file as multipart/form-data.")
    try:
        form = await request.form(max_files=1, max_fields=1)
    except ValueError as error:
        raise ProblemError("invalid", "The body cannot be read as multipart/form-data.") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            missing = FieldProblem(detail="Field required", pointer=pointer("file"))
            raise ProblemError("invalid", "There is no file in the body.", errors=[missing])
        try:
            alt = _alt.validate_python(form.get("alt", ""))
        except ValidationError as error:
            wrong = FieldProblem(detail=error.errors()[0]["msg"], pointer=pointer("alt"))
            raise ProblemError("invalid", "The text does not fit.", errors=[wrong]) from error
        if odd := form.keys() - {"file", "alt"}:
            unknown = [
                FieldProblem(detail="There is no such field", pointer=pointer(each)) for each in odd
            ]
            raise ProblemError("invalid", "There are other fields in the body.", errors=unknown)
        yield _Form(file, alt)
    finally:
        await form.close()


def _fingerprint(form: _Form) -> bytes:
    # Not the body's: each has boundaries of its own.
    digest = hashlib.file_digest(form.file.file, "sha256")  # type: ignore[arg-type]  # binary
    digest.update(form.alt.encode())
    form.file.file.seek(0)
    return digest.digest()


# The transaction ends with this dependency, when the answer to be stored in it is known.
async def _added(
    id: UUID,
    caller: Writer,
    form: Annotated[_Form, Depends(_form, scope="function")],
    catalog: OwnCatalog,
    request: Request,
    idempotency_key: IdempotencyKey = None,
) -> AsyncIterator[contracts.Image]:
    fingerprint = await asyncio.to_thread(_fingerprint, form)
    with held_key(request, caller, idempotency_key, fingerprint) as keyed:
        async with catalog.uploads.adding(
            id,
            form.file.file,
            alt=form.alt,
            actor=caller.subject,
            traceparent=request.state.traceparent,
        ) as (session, image):
            await claim_key(request, keyed, session)
            yield image


@router.post(
    "",
    summary="Add an image",
    status_code=201,
    responses=_writes
    | problems("not-found", "conflict", "refused", "too-large", "unsupported-media-type"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {
                            "file": {
                                "type": "string",
                                "format": "binary",
                                "description": "A JPEG, PNG or WebP picture of at most 10 MiB "
                                "and 25 megapixels, as WebP 12.5. One that takes too much time or "
                                "memory to be read is refused. Its name is ignored.",
                            },
                            "alt": _alt.json_schema()
                            | {"description": "What the picture shows, in words."},
                        },
                    }
                }
            },
        }
    },
)
@max_body(MAX_BYTES + MULTIPART_OVERHEAD)
async def add_image(
    id: UUID,
    image: Annotated[contracts.Image, Depends(_added, scope="function")],
    catalog: OwnCatalog,
    response: Response,
) -> contracts.Image:
    response.headers["Location"] = f"{catalog.snapshots.product_url(id)}/images/{image.id}"
    return image


# The entity tag of whatever belongs to a product is the product's.
@router.head("", response_model=ImageList, include_in_schema=False)
@router.get("", summary="List a product's images", response_model=ImageList, responses=_unchanged)
async def list_images(
    id: UUID, session: Reading, response: Response, if_none_match: IfNoneMatch = None
) -> ImageList | Response:
    product = await ProductRepository(session).get(id)
    headers = validators(product.version, CACHE_CONTROL)
    if same := unchanged(if_none_match, headers):
        return same
    response.headers.update(headers)
    images = ImageRepository(session)
    return ImageList.model_construct(items=[images.snapshot(each) for each in product.images])


@router.head("/{image_id}", response_model=contracts.Image, include_in_schema=False)
@router.get(
    "/{image_id}",
    summary="Read about an image",
    response_model=contracts.Image,
    responses=_unchanged,
)
async def read_image(
    id: UUID,
    image_id: UUID,
    session: Reading,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> contracts.Image | Response:
    images = ImageRepository(session)
    image, version = await images.get(id, image_id)
    headers = validators(version, CACHE_CONTROL)
    if same := unchanged(if_none_match, headers):
        return same
    response.headers.update(headers)
    return images.snapshot(image)


@router.patch(
    "/{image_id}",
    summary="Change an image's text or place; at position 0 it is the main one",
    responses=_writes | problems("not-found", "refused", "precondition-failed"),
    openapi_extra=merge_patch(ImagePatch),
)
async def patch_image(
    id: UUID,
    image_id: UUID,
    patch: ImagePatch,
    session: Writing,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> contracts.Image:
    product = await ProductRepository(session).edit(id)
    images = ImageRepository(session)
    images.of(product, image_id)
    check_match(product.version, if_match, if_none_match)
    changed = await images.change(product, image_id, alt=patch.new_alt, position=patch.new_position)
    response.headers["ETag"] = etag(product.version)
    return changed


@router.delete(
    "/{image_id}",
    summary="Delete an image; its files are purged by whoever hears of it",
    status_code=204,
    responses=_writes | problems("not-found", "refused", "precondition-failed"),
)
async def delete_image(
    id: UUID,
    image_id: UUID,
    session: Writing,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> None:
    product = await ProductRepository(session).edit(id)
    images = ImageRepository(session)
    images.of(product, image_id)
    check_match(product.version, if_match, if_none_match)
    await images.delete(product, image_id)
