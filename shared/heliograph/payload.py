"""What clients send as JSON, or as a query."""

from collections.abc import Mapping
from itertools import islice

from pydantic import BaseModel, ConfigDict, model_validator

UNKNOWN_TOLD = 10
"""Of one object: an answer tells fifty errors at most, and each that is found costs its time."""


class Payload(BaseModel):
    """An object that a client sends; keys that it does not have are refused, the first are told.

    A hundred thousand of them cost no more than a hundred thousand that are known.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_unknown(cls, data: object) -> object:
        known = cls.model_fields
        if not isinstance(data, Mapping) or len(data) <= len(known) + UNKNOWN_TOLD:
            return data
        unknown = islice((key for key in data if key not in known), UNKNOWN_TOLD)
        return {key: data[key] for key in (*known, *unknown) if key in data}
