"""Import: products from a file, inserted or updated by their SKU.

Each chunk is one transaction, which also writes down how far it came: an import that
ended in the middle, however it ended, goes on there. What is not accepted goes to a file
of rejects. Every change is announced with the origin `import`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

from pydantic import ValidationError

from heliograph import EventTooLarge, Refused
from heliograph.database import Database, Session
from heliograph.events import new_id
from services.catalog.drafts import NewProduct
from services.catalog.errors import CatalogError
from services.catalog.models import ImportProgress, Product
from services.catalog.repositories.categories import CategoryRepository, ProductCategories
from services.catalog.repositories.imports import ImportRepository
from services.catalog.repositories.products import ProductRepository
from services.catalog.transfer.formats import Record, format_of, read

CHUNK = 500
"""Records in one transaction."""

NOT_ACCEPTED = (Refused, CatalogError, EventTooLarge)
"""What one record can be rejected for, and all others imported."""


@dataclass(slots=True)
class Tally:
    """What became of the records so far."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0

    def __str__(self) -> str:
        return (
            f"{self.created} created, {self.updated} updated, "
            f"{self.unchanged} unchanged, {self.rejected} rejected"
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record whose fields are in order."""

    record: Record
    product: NewProduct
    categories: list[str] | None


class Rejected(CatalogError):
    """A record that cannot be imported; the message says why."""


class Importer:
    """Imports one file; `on_progress` is told the bytes done and the tally."""

    def __init__(
        self,
        database: Database,
        path: Path,
        *,
        on_progress: Callable[[int, Tally], None] = lambda _done, _tally: None,
    ) -> None:
        self._database = database
        self._path = path
        self._format = format_of(path)
        self._on_progress = on_progress
        self.rejects = path.with_name(path.name + ".rejects.jsonl")
        self.tally = Tally()

    async def run(self) -> Tally:
        """Import what is not imported yet; raise `UnreadableFile` if the file is not one."""
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            async with self._database.transaction() as session:
                begun = await ImportRepository(session).find(digest)
            start, line, rejects_size = 0, 1, 0
            if begun is not None:
                start, line, rejects_size = begun.position, begun.line, begun.rejects_size
                self.tally = Tally(**begun.tally)
            records = read(file, self._format, start, line)
            with self._open_rejects(rejects_size) as rejects:
                for chunk in _chunks(records):
                    await self._import(digest, chunk, rejects)
                    self._on_progress(chunk[-1].end, self.tally)
            async with self._database.transaction() as session:
                await ImportRepository(session).finish(digest)
        if not self.rejects.stat().st_size:
            self.rejects.unlink()
        return self.tally

    def _open_rejects(self, size: int) -> IO[bytes]:
        # What a chunk rejected before it was cut off is rejected again.
        file = self.rejects.open("r+b" if size and self.rejects.exists() else "wb")
        file.truncate(size)
        file.seek(0, 2)
        return file

    async def _import(self, digest: str, chunk: Sequence[Record], rejects: IO[bytes]) -> None:
        before = Tally(**asdict(self.tally))
        size = rejects.tell()
        try:
            async with self._database.transaction() as session:
                await self._write(session, digest, chunk, rejects, one_by_one=False)
        except NOT_ACCEPTED:
            # Some record is not accepted: begin again, each in a savepoint, to find it.
            self.tally = before
            rejects.truncate(size)
            rejects.seek(size)
            async with self._database.transaction() as session:
                await self._write(session, digest, chunk, rejects, one_by_one=True)

    async def _write(
        self,
        session: Session,
        digest: str,
        chunk: Sequence[Record],
        rejects: IO[bytes],
        *,
        one_by_one: bool,
    ) -> None:
        session.origin = "import"
        accepted = []
        for record in chunk:
            try:
                accepted.append(_accept(record))
            except Rejected as error:
                self._reject(rejects, record, str(error))
        if not one_by_one:
            await self._save(session, accepted)
        else:
            for each in accepted:
                try:
                    async with session.begin_nested():
                        await self._save(session, [each])
                except NOT_ACCEPTED as error:
                    session.expunge_all()
                    self._reject(rejects, each.record, str(error))
        rejects.flush()
        last = chunk[-1]
        await ImportRepository(session).store(
            ImportProgress(
                digest=digest,
                position=last.end,
                line=last.end_line,
                rejects_size=rejects.tell(),
                tally=asdict(self.tally),
            )
        )

    async def _save(self, session: Session, accepted: Sequence[Accepted]) -> None:
        products = ProductRepository(session)
        known = await products.edit_skus({each.product.sku for each in accepted})
        slugs = {slug for each in accepted for slug in each.categories or ()}
        categories = await CategoryRepository(session).by_slug(slugs) if slugs else {}
        rows = []
        for each in accepted:
            row = known.get(each.product.sku) or Product(id=new_id(), images=[], categories=[])
            each.product.fill(row)
            rows.append(row)
        versions = {row.id: row.version for row in rows}
        await products.save_many(rows)
        relation = ProductCategories(products)
        for each, row in zip(accepted, rows, strict=True):
            if each.categories is not None:
                await relation.set(row, _ids(each.categories, categories))
        for row in rows:
            self._count(versions[row.id], row.version)

    def _count(self, before: int | None, after: int) -> None:
        if before is None:
            self.tally.created += 1
        elif before == after:
            self.tally.unchanged += 1
        else:
            self.tally.updated += 1

    def _reject(self, rejects: IO[bytes], record: Record, reason: str) -> None:
        told = {"line": record.line, "reason": reason, "record": record.data}
        rejects.write(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        self.tally.rejected += 1


def _chunks(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Group records; a SKU that comes again begins a new chunk, so that its order counts."""
    chunk: list[Record] = []
    skus: set[object] = set()
    for record in records:
        sku = (record.data or {}).get("sku")
        key = sku if isinstance(sku, str) else id(record)
        if len(chunk) == CHUNK or key in skus:
            yield chunk
            chunk, skus = [], set()
        chunk.append(record)
        skus.add(key)
    if chunk:
        yield chunk


def _accept(record: Record) -> Accepted:
    if record.data is None:
        raise Rejected(record.reason or "it cannot be read")
    data = {name: value for name, value in record.data.items() if name != "id"}
    categories = data.pop("categories", None)
    if categories is not None and not (
        isinstance(categories, list) and all(isinstance(each, str) for each in categories)
    ):
        raise Rejected("categories: must be a list of slugs")
    try:
        return Accepted(record, NewProduct.model_validate(data), categories)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Rejected(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _ids(slugs: list[str], categories: dict[str, UUID]) -> list[UUID]:
    for slug in slugs:
        if slug not in categories:
            raise Rejected(f"categories: there is no category {slug}")
    return [categories[slug] for slug in slugs]
