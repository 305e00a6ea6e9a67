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
from typing import IO, Any

from heliograph import EventTooLarge, Refused
from heliograph.database import Database, Session
from heliograph.events import new_id
from heliograph.text import printable
from services.catalog.errors import CatalogError
from services.catalog.models import ImportProgress, Product
from services.catalog.repositories.categories import CategoryRepository, ProductCategories
from services.catalog.repositories.imports import ImportRepository
from services.catalog.repositories.products import ProductRepository
from services.catalog.transfer.drafts import Draft, Rejected, draft, sku_of
from services.catalog.transfer.formats import format_of, read
from services.catalog.transfer.records import Record, UnreadableFile

CHUNK = 500
"""Records in one transaction."""
LONGEST_REASON = 500
"""Characters."""

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
class Candidate:
    """A record and the SKU that it speaks of, None if it has none."""

    record: Record
    sku: str | None


Reasons = list[tuple[Record, str]]
"""Records that are rejected, and why."""


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
        if not self._path.is_file():
            # It is read twice, and from its middle after an interruption.
            raise UnreadableFile(f"{self._path} is not a file: save what it gives in one first")
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
                try:
                    for chunk in _chunks(records):
                        await self._import(digest, chunk, rejects)
                        self._on_progress(chunk[-1].record.end, self.tally)
                finally:
                    if not rejects.tell():
                        self.rejects.unlink()
            async with self._database.transaction() as session:
                await ImportRepository(session).finish(digest)
        return self.tally

    def _open_rejects(self, size: int) -> IO[bytes]:
        # What a chunk rejected before it was cut off is rejected again. Whoever took the file
        # away meanwhile has those that were in it.
        file = self.rejects.open("r+b" if self.rejects.exists() else "w+b")
        file.truncate(min(size, self.rejects.stat().st_size))
        file.seek(0, 2)
        return file

    async def _import(self, digest: str, chunk: Sequence[Candidate], rejects: IO[bytes]) -> None:
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
        chunk: Sequence[Candidate],
        rejects: IO[bytes],
        *,
        one_by_one: bool,
    ) -> None:
        session.origin = "import"
        if not one_by_one:
            rejected = await self._save(session, chunk)
        else:
            rejected = []
            for each in chunk:
                try:
                    async with session.begin_nested():
                        rejected += await self._save(session, [each])
                except NOT_ACCEPTED as error:
                    session.expunge_all()
                    rejected.append((each.record, str(error)))
        for record, reason in sorted(rejected, key=lambda each: each[0].line):
            rejects.write(_told(record, reason))
        self.tally.rejected += len(rejected)
        rejects.flush()
        last = chunk[-1].record
        await ImportRepository(session).store(
            ImportProgress(
                digest=digest,
                position=last.end,
                line=last.last_line + 1,
                rejects_size=rejects.tell(),
                tally=asdict(self.tally),
            )
        )

    async def _save(self, session: Session, chunk: Sequence[Candidate]) -> Reasons:
        """Save the records that are in order; return the others."""
        products = ProductRepository(session)
        known = await products.edit_skus({each.sku for each in chunk if each.sku is not None})
        drafts: list[tuple[Record, Draft, Product]] = []
        rejected: Reasons = []
        for each in chunk:
            row = known.get(each.sku or "")
            try:
                new = draft(each.record, is_known=row is not None)
            except Rejected as error:
                rejected.append((each.record, str(error)))
            else:
                row = row or Product(id=new_id(), images=[], categories=[])
                drafts.append((each.record, new, row))
        slugs = {slug for _, new, _ in drafts for slug in new.categories or ()}
        categories = await CategoryRepository(session).by_slug(slugs) if slugs else {}
        accepted = []
        for record, new, row in drafts:
            unknown = [slug for slug in new.categories or () if slug not in categories]
            if unknown:
                rejected.append((record, f"categories: there is no category {unknown[0]}"))
            else:
                accepted.append((new, row))
        for new, row in accepted:
            new.fill(row)
        rows = [row for _, row in accepted]
        versions = [row.version for row in rows]
        await products.save_many(rows)
        relation = ProductCategories(products)
        for new, row in accepted:
            if new.categories is not None:
                await relation.set(row, [categories[slug] for slug in new.categories])
        for before, row in zip(versions, rows, strict=True):
            self._count(before, row.version)
        return rejected

    def _count(self, before: int | None, after: int) -> None:
        if before is None:
            self.tally.created += 1
        elif before == after:
            self.tally.unchanged += 1
        else:
            self.tally.updated += 1


def _told(record: Record, reason: str) -> bytes:
    """A line of the file of rejects: JSON, and a record that can be mended and imported."""
    told: dict[str, Any] = {
        "line": record.line,
        "last_line": record.last_line,
        "reason": printable(reason, LONGEST_REASON),
        "record": record.data,
    }
    if record.data is None:
        told["text"] = record.text
    return json.dumps(told, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"


def _chunks(records: Iterator[Record]) -> Iterator[list[Candidate]]:
    """Group records; a SKU that comes again begins a new chunk, so that its order counts."""
    chunk: list[Candidate] = []
    skus: set[str] = set()
    for record in records:
        sku = sku_of(record)
        if len(chunk) == CHUNK or sku in skus:
            yield chunk
            chunk, skus = [], set()
        chunk.append(Candidate(record, sku))
        if sku is not None:
            skus.add(sku)
    if chunk:
        yield chunk
