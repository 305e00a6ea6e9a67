"""The settings of the catalog: environment variables that begin with `CATALOG_`."""

from typing import ClassVar

from pydantic import Field

from heliograph.settings import DatabaseURL, ImageStoreSettings, PublicURL, ServiceSettings


class CatalogSettings(ImageStoreSettings):
    """What the catalog is told; its defaults are those of the embedded program."""

    prefix: ClassVar[str] = "CATALOG_"

    database_url: DatabaseURL = Field(
        "sqlite+aiosqlite:///var/catalog.db",
        repr=False,
        description=ServiceSettings.model_fields["database_url"].description,
    )
    public_url: PublicURL = Field(
        "http://127.0.0.1:8000",
        description=ServiceSettings.model_fields["public_url"].description,
    )
    viewers_kept_days: int = Field(
        365,
        ge=1,
        le=36_500,
        description="days after which it is forgotten who viewed a product; the counts stay",
    )
