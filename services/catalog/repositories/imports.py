"""How far imports have come: kept with what they wrote, so that both are always true."""

from sqlalchemy import select

from heliograph.database import Session
from services.catalog.models import ImportProgress


class ImportRepository:
    """The progress of unfinished imports."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def find(self, digest: str) -> ImportProgress | None:
        """Load the progress of the file with this digest, and lock it."""
        query = select(ImportProgress).where(ImportProgress.digest == digest)
        return await self.session.scalar(query.with_for_update())

    async def store(self, progress: ImportProgress) -> None:
        """Write how far the import has come."""
        await self.session.merge(progress)
        await self.session.flush()

    async def finish(self, digest: str) -> None:
        """Forget a finished import: the next one of the same file begins at its beginning."""
        progress = await self.find(digest)
        if progress is not None:
            await self.session.delete(progress)
            await self.session.flush()
