"""The settings of the console: environment variables that begin with `CONSOLE_`."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from heliograph.errors import InvalidSetting
from heliograph.settings import MEMORY_BUS, DatabaseURL, PublicURL, ServiceSettings

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_TOKEN = re.compile(r"[!-~]+")
LARGEST_TOKEN = 8_192
"""Bytes of a file that holds a token."""


class ServiceAddress(BaseModel):
    """A service that is asked over REST: where it answers, and the token that lets the console in.

    Without a token only what is public can be asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    url: PublicURL
    token: SecretStr | None = None
    token_file: Path | None = None
    """Is read anew for each call, so that a token can be renewed."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if _NAME.fullmatch(name) is None:
            raise ValueError("must be up to 40 of a-z, 0-9, - and _, a letter first")
        return name

    @model_validator(mode="after")
    def _has_one_token(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("has a token and a token_file: give one of them")
        if self.token is not None and _TOKEN.fullmatch(self.token.get_secret_value()) is None:
            raise ValueError("has a token that is empty, or no token: it has spaces, say")
        return self

    def bearer(self) -> str | None:
        """The token, None if there is none; raise `InvalidSetting` if its file cannot be read."""
        if self.token_file is None:
            return None if self.token is None else self.token.get_secret_value()
        where = f"CONSOLE_SERVICES: the token_file of {self.name}"
        try:
            with self.token_file.open("rb") as file:
                token = file.read(LARGEST_TOKEN).decode("ascii", "replace").strip()
        except (OSError, ValueError) as error:
            # The latter: a path with a NUL.
            reason = getattr(error, "strerror", None) or "it is no path"
            raise InvalidSetting(f"{where} cannot be read: {reason}") from error
        if _TOKEN.fullmatch(token) is None:
            raise InvalidSetting(f"{where} holds no token")
        return token


_LIST = TypeAdapter(tuple[ServiceAddress, ...])


def _services(value: object) -> object:
    """Read JSON; its own words of what is wrong name a place, and repeat no value."""
    if not isinstance(value, str):
        return value
    if not value:
        # As an engine of containers passes on a variable that is not set.
        return ()
    try:
        found = _LIST.validate_python(json.loads(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"]) or "the value"
        raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    except (ValueError, RecursionError):
        raise ValueError('must be JSON such as [{"name": "catalog", "url": "http://…"}]') from None
    return found


class ConsoleSettings(ServiceSettings):
    """What the console is told; its defaults are those of the embedded program."""

    prefix: ClassVar[str] = "CONSOLE_"

    database_url: DatabaseURL = Field(
        "sqlite+aiosqlite:///var/console.db",
        repr=False,
        description=ServiceSettings.model_fields["database_url"].description,
    )
    public_url: PublicURL = Field(
        "http://127.0.0.1:8002",
        description=ServiceSettings.model_fields["public_url"].description,
    )
    catalog_user: str = Field(
        "",
        description="the broker's user who alone may announce `catalog.events`, usually that of "
        "`CATALOG_BUS_URL`: what others publish is parked; empty: anyone",
    )
    services: Annotated[Sequence[ServiceAddress], BeforeValidator(_services)] = Field(
        (),
        repr=False,
        description="the services that it asks, as JSON: "
        '`[{"name": "catalog", "url": "http://…", "token": "…"}]`, or `token_file` with a path; '
        "the token needs each service's scope `admin`",
    )
    events_kept_days: int = Field(
        7,
        ge=1,
        le=3_650,
        description="days for which it keeps the events that it has heard",
    )

    @field_validator("catalog_user")
    @classmethod
    def _is_known(cls, user: str, info: ValidationInfo) -> str:
        if user and info.data.get("bus_url") == MEMORY_BUS:
            raise ValueError(f"must be empty while the bus is {MEMORY_BUS}, which knows no users")
        return user

    @field_validator("public_url")
    @classmethod
    def _has_no_path(cls, url: str) -> str:
        if urlsplit(url).path:
            raise ValueError("must have no path: the console has a host or a port of its own")
        return url

    @field_validator("services")
    @classmethod
    def _differ(cls, services: Sequence[ServiceAddress]) -> Sequence[ServiceAddress]:
        names = [each.name for each in services]
        if len({*names}) < len(names):
            raise ValueError("two services have one name")
        return services
