"""The settings of the notifier: environment variables that begin with `NOTIFIER_`."""

from email.headerregistry import Address
from email.utils import parseaddr
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from heliograph.settings import (
    MEMORY_BUS,
    DatabaseURL,
    ImageStoreSettings,
    PublicURL,
    ServiceSettings,
    directory_url,
)
from services.notifier.mail.addresses import valid_address
from services.notifier.mail.connect import mailer
from services.notifier.proxies import Proxies
from services.notifier.time_zones import TimeZone


def _mailbox(value: str) -> str:
    name, address = parseaddr(value) if value.isprintable() else ("", "")
    if not address:
        raise ValueError("must be an email address, or Name <address>")
    checked = valid_address(address)
    if not checked.isascii():
        raise ValueError("must be an address in ASCII: not every mail server takes another")
    return str(Address(display_name=name, addr_spec=checked))


def _mailer_url(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be a URL without control characters")
    mailer(value)
    return value


def _proxies(value: str) -> str:
    Proxies(value)
    return value


MailerURL = Annotated[str, AfterValidator(_mailer_url)]


Mailbox = Annotated[str, AfterValidator(_mailbox)]
"""An address with or without a name before it, as RFC 5322 writes it."""


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
    time_zone: TimeZone = Field(
        "UTC",
        description="where it is 9 o'clock when digests are due, for who has not said otherwise; "
        "a name of the IANA database, as `Europe/Berlin`",
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
        description="days after which it is forgotten who was told what",
    )

    @field_validator("catalog_user")
    @classmethod
    def _is_known(cls, user: str, info: ValidationInfo) -> str:
        if user and info.data.get("bus_url") == MEMORY_BUS:
            raise ValueError(f"must be empty while the bus is {MEMORY_BUS}, which knows no users")
        return user
