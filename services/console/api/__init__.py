"""The console's pages."""

from services.console.api import (
    acts,
    emails,
    events,
    parked,
    products,
    sign_in,
    state,
    static,
    way,
)
from services.console.api.errors import answer_errors_with_pages

routers = (
    static.router,
    sign_in.router,
    events.router,
    way.router,
    # `acts` before `parked`: its paths are the more particular ones.
    acts.router,
    parked.router,
    emails.router,
    products.router,
    state.router,
)

__all__ = ["answer_errors_with_pages", "routers"]
