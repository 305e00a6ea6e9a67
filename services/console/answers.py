"""What services answer, read as what it should be."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from services.console.peers import PeerError

M = TypeVar("M", bound=BaseModel)


def read_as(kind: type[M], service: str, value: Any) -> M:
    """Read an answer; raise `PeerError` if it is something else."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        places = {".".join(map(str, each["loc"])) for each in error.errors()[:3]}
        named = ", ".join(sorted(filter(None, places))) or "all of it"
        raise PeerError(service, f"its answer is not understood: {named}") from error
