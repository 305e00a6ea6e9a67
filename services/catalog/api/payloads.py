"""Merge patches (RFC 7396), as clients send them and the documents tell of them."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from heliograph.payload import Payload
from heliograph.text import Line
from services.catalog.drafts import absent

Alt = Annotated[str, Line(300, empty=True)]
Position = Annotated[int, Field(ge=0, lt=10_000, strict=True)]


def merge_patch(patch: type[BaseModel]) -> dict[str, Any]:
    """Document that a route takes the patch as `application/merge-patch+json`, too."""
    schema = {"$ref": f"#/components/schemas/{patch.__name__}"}
    return {"requestBody": {"content": {"application/merge-patch+json": {"schema": schema}}}}


class ImagePatch(Payload):
    """A JSON merge patch of an image; at position 0 it is the main one of its product."""

    alt: Alt | None = Field(default_factory=absent)
    position: Position = Field(default_factory=absent)

    @property
    def new_alt(self) -> str | None:
        """The text that it shall have; None if it keeps its own."""
        return (self.alt or "") if "alt" in self.model_fields_set else None

    @property
    def new_position(self) -> int | None:
        """The place that it shall have; None if it keeps its own."""
        return self.position if "position" in self.model_fields_set else None
