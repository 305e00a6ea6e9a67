"""The console's pages."""

from services.console.api import sign_in
from services.console.api.pages import add_pages

routers = (sign_in.router,)

__all__ = ["add_pages", "routers"]
