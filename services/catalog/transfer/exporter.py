"""Export: every product to a file, as an import takes it."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from heliograph.database import Database
from services.catalog.repositories.products import ProductRepository
from services.catalog.transfer.formats import format_of, writer


async def export(
    database: Database, path: Path, *, on_progress: Callable[[int], None] = lambda _done: None
) -> int:
    """Write all products, by id; the file appears under its name once it is complete.

    Returns how many there were. Products that are created meanwhile may be in it or not.
    """
    partial = path.with_name(path.name + ".partial")
    count = 0
    try:
        with partial.open("wb") as file:
            write = writer(file, format_of(path))
            last = UUID(int=0)
            while True:
                async with database.reading() as session:
                    products = ProductRepository(session)
                    step = await products.following(last)
                    for product in step:
                        write(
                            products.snapshot(product),
                            [category.slug for category in product.categories],
                        )
                if not step:
                    break
                count, last = count + len(step), step[-1].id
                on_progress(count)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    on_progress(count)
    return count
