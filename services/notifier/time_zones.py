"""The time zones that people can be in, by their names in the IANA database."""

from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator


@cache
def time_zones() -> frozenset[str]:
    """Every name that this machine knows; kept, for they are read off the disk."""
    return frozenset(available_timezones())


def _known(name: str) -> str:
    if name not in time_zones():
        raise ValueError("must be a time zone of the IANA database, as Europe/Berlin or UTC")
    return name


TimeZone = Annotated[str, AfterValidator(_known)]
