"""The catalog's REST API: one module a resource, all listed here."""

from fastapi import APIRouter

from services.catalog.api import (
    batch,
    categories,
    files,
    images,
    product_categories,
    products,
    views,
)
from services.catalog.api.errors import handle_errors

__all__ = ["handle_errors", "routers"]

routers: list[APIRouter] = [
    products.router,
    batch.router,
    product_categories.router,
    categories.router,
    images.router,
    files.router,
    views.router,
]
