"""The console's pages."""

from services.console.api import products, sign_in, state
from services.console.api.pages import add_pages

routers = (sign_in.router, products.router, state.router)

__all__ = ["add_pages", "routers"]
