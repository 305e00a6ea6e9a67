"""Settings: what a program reads from its environment, checked before anything starts."""

import difflib
import ipaddress
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from heliograph.errors import InvalidSetting
from heliograph.secret_files import SUFFIX, secret

LogLevel = Literal["debug", "info", "warning", "error"]
"""The least urgent lines that are logged."""
LOG_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")
"""The most talkative first."""

LogFormat = Literal["text", "json", "auto"]
"""How lines look; `auto`: text on a terminal, JSON else."""

MEMORY_BUS = "memory://"
SHORTEST_KEY = 32
"""Bytes; RFC 7518 3.2 asks of an HS256 key at least the size of the hash."""
LONGEST_PUBLIC_URL = 2_000
"""What begins with it, as events carry it, may have twice as many."""
DEVELOPMENT_KEY = SecretStr("heliograph-development-key-never-in-production")

# A service called `catalog` in Kubernetes puts CATALOG_SERVICE_HOST, CATALOG_PORT and the
# like into the environment of every pod.
_INJECTED = re.compile(r"_SERVICE_|_PORT")


def _parts(url: str) -> SplitResult:
    # urlsplit drops line breaks and tabs without a word.
    if not url.isprintable() or " " in url:
        raise ValueError("must be a URL without spaces or control characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # The message of urlsplit may repeat a password.
        raise ValueError("must be a URL; percent-encode what is special in its parts") from None
    return parts


def _is_directory(parts: SplitResult) -> bool:
    return not parts.netloc and parts.path.startswith("/") and parts.path.strip("/") != ""


_TLS = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _is_for_asyncpg(name: str, value: str) -> bool:
    # It names things otherwise than libpq, and takes numbers from a URL for what SQLAlchemy knows.
    if name == "ssl":
        return value in _TLS
    return name == "host" or (name in {"port", "prepared_statement_cache_size"} and value.isdigit())


def _database_url(url: str) -> str:
    parts = _parts(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    if parts.scheme == "sqlite+aiosqlite":
        path = parts.path.removeprefix("/")
        if asked:
            raise ValueError("takes no query with a SQLite file")
        if not parts.netloc and path and not path.endswith("/") and path != ":memory:":
            return url
    elif parts.scheme == "postgresql+asyncpg" and parts.path.strip("/"):
        if odd := [name for name, value in asked if not _is_for_asyncpg(name, value)]:
            raise ValueError(
                f"{odd[0]}: takes host, port, prepared_statement_cache_size=0 and "
                f"ssl={'|'.join(_TLS)} in its query"
            )
        return url
    raise ValueError(
        "must be sqlite+aiosqlite:///path/to/file or postgresql+asyncpg://user:password@host/name"
    )


def _bus_url(url: str) -> str:
    parts = _parts(url)
    if url == MEMORY_BUS or (parts.scheme in {"amqp", "amqps"} and parts.hostname):
        return url
    raise ValueError("must be memory://, amqp://user:password@host/vhost or amqps://…")


def _image_store_url(url: str) -> str:
    parts = _parts(url)
    if parts.scheme == "file" and _is_directory(parts):
        if Path(unquote(parts.path)).is_file():
            raise ValueError("must be a directory, and is a file")
        return url
    if parts.scheme == "s3" and parts.netloc and not parts.path.strip("/"):
        return url
    raise ValueError("must be file:///absolute/directory or s3://bucket")


def _public_url(url: str) -> str:
    if len(url) > LONGEST_PUBLIC_URL:
        raise ValueError(f"must have at most {LONGEST_PUBLIC_URL} characters")
    parts = _parts(url)
    besides = parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme in {"http", "https"} and parts.hostname and not besides:
        return url.rstrip("/")
    raise ValueError("must be http[s]://host[:port][/path]")


DatabaseURL = Annotated[str, AfterValidator(_database_url)]
BusURL = Annotated[str, AfterValidator(_bus_url)]
ImageStoreURL = Annotated[str, AfterValidator(_image_store_url)]
PublicURL = Annotated[str, AfterValidator(_public_url)]
"""Without a slash at the end, so that a path can be appended."""


def _in_any_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _embedded(database_url: str, bus_url: str) -> bool:
    return database_url.startswith("sqlite") and bus_url == MEMORY_BUS


def directory_url(path: str) -> str:
    """A directory below the one in which the program was started, as a `file:///` URL."""
    return (Path.cwd() / path).as_uri()


class ServiceSettings(BaseModel):
    """What every service is told; a subclass adds its defaults and settings of its own.

    Each field is read from the environment variable `prefix` + its name in capitals. One that
    may hold a secret has `repr=False`: it stays out of the `repr`, and can be given by a file,
    whose path stands in the variable with `_FILE` behind its name.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )

    prefix: ClassVar[str]

    database_url: DatabaseURL = Field(
        repr=False,
        description="`sqlite+aiosqlite:///path` or `postgresql+asyncpg://user:password@host/name`",
    )
    bus_url: BusURL = Field(
        # By its name: type checkers without pydantic's plugin see no other default.
        default=MEMORY_BUS,
        repr=False,
        description="`amqp[s]://user:password@host/vhost`, or `memory://` where all "
        "services share one process",
    )
    secret_key: SecretStr = Field(
        default=DEVELOPMENT_KEY,
        repr=False,
        description="signs and checks tokens, 32 bytes or more; asked for by `serve` and `token` "
        "alone; has a default only while database and bus are embedded and nobody else can connect",
    )
    secret_key_previous: SecretStr | None = Field(
        default=None,
        repr=False,
        description="the key before, while its tokens are still accepted; it signs nothing",
    )
    public_url: PublicURL = Field(description="where clients reach the service; begins its links")
    log_level: Annotated[LogLevel, BeforeValidator(_in_any_case)] = Field(
        default="info",
        description="the least urgent lines that are logged: `debug`, `info`, `warning` or "
        "`error`; commands that end by themselves log from `warning` on unless it is set; of "
        "services in one process the most talkative counts",
    )
    log_format: Annotated[LogFormat, BeforeValidator(_in_any_case)] = Field(
        default="auto",
        description="how lines are logged: `text`, `json`, or `auto`, text on a terminal and JSON "
        "else; of services in one process the first counts that does not say `auto`",
    )

    @property
    def embedded(self) -> bool:
        """Whether database and bus both live within this machine's one process."""
        return _embedded(self.database_url, self.bus_url)

    @classmethod
    def secrets(cls) -> frozenset[str]:
        """The fields that may hold a secret."""
        return frozenset(name for name, field in cls.model_fields.items() if not field.repr)

    @field_validator("secret_key_previous", mode="before")
    @classmethod
    def _may_be_empty(cls, key: object) -> object:
        # As an engine of containers passes on a variable that is not set.
        return None if key == "" else key

    @field_validator("secret_key", "secret_key_previous")
    @classmethod
    def _is_long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        try:
            size = len(key.get_secret_value().encode())
        except UnicodeEncodeError:
            raise ValueError("must be UTF-8 text") from None
        if size < SHORTEST_KEY:
            raise ValueError(f"must have at least {SHORTEST_KEY} bytes")
        return key


class ImageStoreSettings(ServiceSettings):
    """What a service is told that keeps or purges images."""

    image_store_url: ImageStoreURL = Field(
        default_factory=lambda: directory_url("var/images"),
        description="`file:///directory` or `s3://bucket`, whose endpoint, region and keys come "
        "from the `AWS_*` variables (or `AWS_SECRET_ACCESS_KEY_FILE`); the same for every service",
    )


S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S], environ: Mapping[str, str]) -> S:
    """Read the service's settings from `environ`.

    Raises `InvalidSetting`, with one line that names every variable that is unknown,
    missing or malformed, and repeats no value, as one may hold a password.
    """
    variables = {settings.prefix + name.upper(): name for name in settings.model_fields}
    secrets = {settings.prefix + name.upper() for name in settings.secrets()}
    known = {*variables, *(name + SUFFIX for name in secrets)}
    problems = [
        _unknown(name, known)
        for name in sorted(environ)
        if name.startswith(settings.prefix) and name not in known and not _INJECTED.search(name)
    ]
    given: dict[str, str] = {}
    unread = set()
    for name, field in variables.items():
        try:
            value = secret(name, environ) if name in secrets else environ.get(name)
        except InvalidSetting as error:
            problems.append(str(error))
            unread.add(field)
        else:
            if value is not None:
                given[field] = value
    try:
        loaded = settings.model_validate(given)
    except ValidationError as error:
        problems += [
            settings.prefix + _sentence(str(each["loc"][0]), each["type"], each["msg"])
            for each in error.errors(include_url=False, include_input=False)
            if each["loc"][0] not in unread
        ]
        raise InvalidSetting("; ".join(problems)) from None
    if problems:
        raise InvalidSetting("; ".join(problems))
    return loaded


def log_as(*settings: ServiceSettings, otherwise: LogLevel = "info") -> None:
    """Log as the services of this process say; at the level `otherwise` if none says one."""
    said = [each.log_level for each in settings if "log_level" in each.model_fields_set]
    # What logs nothing, as the command `token`, loads no structlog.
    from heliograph.logging import configure  # noqa: PLC0415

    formats = [each.log_format for each in settings if each.log_format != "auto"]
    configure(min(said, key=LOG_LEVELS.index, default=otherwise), formats[0] if formats else "auto")


def _unknown(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"{name}: is not a setting" + (f" (did you mean {near[0]}?)" if near else "")


def _sentence(field: str, kind: str, message: str) -> str:
    what = "is missing" if kind == "missing" else message.removeprefix("Value error, ")
    return f"{field.upper()}: {what[:1].lower()}{what[1:]}"


def refuse_memory_bus(settings: ServiceSettings, *, embedded: bool = False) -> None:
    """Raise `InvalidSetting` if the program is not the embedded one and has the memory bus.

    The memory bus joins services within one process, so any other program would publish
    to nobody.
    """
    if settings.bus_url == MEMORY_BUS and not embedded:
        raise InvalidSetting(
            f"{settings.prefix}BUS_URL: is memory://, which joins services of one process "
            "only; set it to amqp://user:password@host/vhost"
        )


def refuse_development_key(settings: ServiceSettings, *, address: str | None = None) -> None:
    """Raise `InvalidSetting` if tokens would be checked or issued with a key that anybody knows.

    The default key stands in the repository. It will do while database and bus are embedded and
    only this machine can connect: `address`, on which a program listens, is of the loopback
    interface.
    """
    if not settings.embedded:
        why = "database and bus are not both embedded"
    elif address is not None and not _is_loopback(address):
        why = f"others can connect to {address}"
    else:
        return
    for name, key in (
        ("SECRET_KEY", settings.secret_key),
        ("SECRET_KEY_PREVIOUS", settings.secret_key_previous),
    ):
        if key == DEVELOPMENT_KEY:
            raise InvalidSetting(
                f"{settings.prefix}{name}: must be set to a secret of your own, as {why} "
                "and the default stands in the repository"
            )


def _is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
