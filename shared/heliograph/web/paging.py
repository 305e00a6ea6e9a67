"""Pages of lists: alike in every service."""

from typing import Annotated

from fastapi import Query

PAGE = 50
"""Items of a page, unless the client asks for another number."""

Limit = Annotated[int, Query(ge=1, le=200, description="Most items of the page.")]
"""Most items that a client has on one page; by default `PAGE`."""
