"""The settings of the notifier: environment variables that begin with `NOTIFIER_`."""

import re
from email.headerregistry import Address
from email.utils import unquote
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from heliograph.settings import (
    MEMORY_BUS,
    DatabaseURL,
    ImageStoreSettings,
    PublicURL,
    ServiceSettings,
    directory_url,
)
from services.notifier.emails.links import link_template
from services.notifier.emails.words import LOCALES
from services.notifier.mail.addresses import valid_address
from services.notifier.mail.connect import mailer
from services.notifier.proxies import Proxies
from services.notifier.time_zones import TimeZone

# Not as parseaddr, which joins and drops what it does not understand: another address is left.
_MAILBOX = re.compile(
    r"""\s*(?:(?:("(?:[^"\\]|\\.)*")|([^<>"]*?))\s*<([^<>\s]+)>|([^<>"\s,;()]+))\s*"""
)
"""A name, quoted or not, and an address in angle brackets; or an address alone."""


def _mailbox(value: str) -> str:
    parts = _MAILBOX.fullmatch(value) if value.isprintable() else None
    if parts is None:
        raise ValueError("must be an email address, or Name <address>")
    quoted, name, named, alone = parts.groups()
    checked = valid_address(named or alone)
    if not checked.isascii():
        raise ValueError("must be an address in ASCII: not every mail server takes another")
    return str(Address(display_name=unquote(quoted or "") or name or "", addr_spec=checked))


def _mailer_url(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be a URL without control characters")
    mailer(value)
    return value


def _proxies(value: str) -> str:
    Proxies(value)
    return value


def _locale(value: str) -> str:
    if value not in LOCALES:
        raise ValueError(f"must be a language that there are texts for: {', '.join(LOCALES)}")
    return value


def _directory(value: object) -> object:
    if value == "":
        # As an engine of containers passes on a variable that is not set.
        return None
    if isinstance(value, str) and ("\0" in value or not Path(value).is_dir()):
        raise ValueError("must be a directory that exists")
    return value


MailerURL = Annotated[str, AfterValidator(_mailer_url)]


Mailbox = Annotated[str, AfterValidator(_mailbox)]
"""An address with or without a name before it, as RFC 5322 writes it."""

ProductLink = Annotated[str, AfterValidator(link_template)]
"""An absolute URL of http(s) with `{id}` and `{sku}` behind its host; or empty."""

Locale = Annotated[str, AfterValidator(_locale)]
Directory = Annotated[Path | None, BeforeValidator(_directory)]


class NotifierSettings(ImageStoreSettings):
    """What the notifier is told; its defaults are those of the embedded program."""

    prefix: ClassVar[str] = "NOTIFIER_"

    database_url: DatabaseURL = Field(
        "sqlite+aiosqlite:///var/notifier.db",
        repr=False,
        description=ServiceSettings.model_fields["database_url"].description,
    )
    public_url: PublicURL = Field(
        "http://127.0.0.1:8001",
        description=ServiceSettings.model_fields["public_url"].description,
    )
    catalog_user: str = Field(
        "",
        description="the broker's user who alone may announce `catalog.events`, usually that of "
        "`CATALOG_BUS_URL`: what others publish is parked; empty: anyone",
    )
    smtp_url: MailerURL = Field(
        default_factory=lambda: directory_url("var/mail"),
        repr=False,
        description="`smtp[s]://user:password@host:port`, or `file:///directory` to write "
        "emails as `.eml` files; `?starttls=required`, `offered` or `never`: with a user it is "
        "required, else taken where it is offered",
    )
    mail_from: Mailbox = Field(
        "Heliograph <heliograph@localhost>",
        description="the sender of every email: an address, or `Name <address>`",
    )
    product_link: ProductLink = Field(
        "",
        description="where links to products lead: a URL with `{id}` and `{sku}` to be filled in; "
        "empty: each product's own `url`",
    )
    locale: Locale = Field(
        "en",
        description="the language of emails to people who named none; there are texts for "
        + ", ".join(f"`{each}`" for each in LOCALES),
    )
    time_zone: TimeZone = Field(
        "UTC",
        description="the time zone of people who named none, by its name in the IANA database: "
        "digests go out at 9 there",
    )
    templates: Directory = Field(
        None,
        description="a directory whose files replace those of the same names in "
        "`services/notifier/templates/emails`; empty: none",
    )
    price_cooldown_seconds: int = Field(
        3_600,
        ge=0,
        le=31 * 86_400,
        description="seconds in which a person gets one email about the price of a product; what "
        "comes meanwhile waits, and is one email in the end; 0: each at once",
    )
    settle_seconds: int = Field(
        2,
        ge=0,
        le=3_600,
        description="seconds that an email about a new product waits for others to the same "
        "person, which go with it; 0: each by itself",
    )
    burst: int = Field(
        5,
        ge=0,
        le=1_000,
        description="most emails about new products that a person gets within an hour; the rest "
        "are one email at its end; 0: any number",
    )
    trusted_proxies: Annotated[str, AfterValidator(_proxies)] = Field(
        "",
        description="addresses or networks, separated by commas, of the proxies in front of the "
        "API, which add to `X-Forwarded-For` whom they ask for; what is counted for each client is "
        "else counted for the proxy",
    )
    notifications_kept_days: int = Field(
        365,
        ge=1,
        le=36_500,
        description="days after which it is forgotten who was told what; not less than "
        "`NOTIFIER_PRICE_COOLDOWN_SECONDS`",
    )

    @field_validator("catalog_user")
    @classmethod
    def _is_known(cls, user: str, info: ValidationInfo) -> str:
        if user and info.data.get("bus_url") == MEMORY_BUS:
            raise ValueError(f"must be empty while the bus is {MEMORY_BUS}, which knows no users")
        return user

    @field_validator("notifications_kept_days")
    @classmethod
    def _outlasts_the_cooldown(cls, days: int, info: ValidationInfo) -> int:
        # Whom a price was told, and when, stands in the ledger alone.
        if days * 86_400 < info.data.get("price_cooldown_seconds", 0):
            raise ValueError("must be as long as NOTIFIER_PRICE_COOLDOWN_SECONDS, or longer")
        return days
