"""Email addresses: the plain form in which the notifier keeps and uses them."""

import re

import email_validator
from email_validator import EmailNotValidError, validate_email

# Which domains there are is for the mail server to say: `localhost` and `.test` too are where
# somebody's mail goes. The library has its list altered in this way.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

# RFC 5321 4.5.3.1: a path of 256 octets includes its angle brackets.
LONGEST_ADDRESS = 254

_PLAIN = re.compile(
    r"(?=.{6,64}\Z)[a-z0-9]+(?:[._+-][a-z0-9]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}\Z"
)
"""An address as most are: too short for any part of it to be too long, and of such characters that
the library finds nothing to alter. It takes a tenth of what sending an email takes."""

_ADDRESSES = re.compile(r"[^\s<>()@,;:\"']+@[^\s<>()@,;:\"']+")


def valid_address(value: str) -> str:
    """The address `value` in lower case, its domain in ASCII.

    No mail server in use tells apart local parts that differ by case alone, so for us they are
    one person. The result is a dot-atom (RFC 6531: of any script), an `@` and a host name,
    without quoted local parts and address literals, so it is safe in a header and in an SMTP
    command. Applying the function to its own result changes nothing.

    Raises ValueError with a sentence for the person who typed the address.
    """
    return value if _PLAIN.match(value) else parsed_address(value)


def parsed_address(value: str) -> str:
    """`valid_address`, whose answer for a plain address is known without all this."""
    try:
        found = validate_email(
            value, strict=True, check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
    # RFC 3696 section 2: no top-level domain is numeric, what looks like one is an IP address.
    if found.ascii_domain.rpartition(".")[2].isdigit():
        raise ValueError("The part after the @-sign is not a domain name.")
    address = f"{_lower(found.local_part)}@{found.ascii_domain}"
    if len(address.encode()) > LONGEST_ADDRESS:
        raise ValueError(f"An email address has at most {LONGEST_ADDRESS} bytes.")
    return address


def _lower(local: str) -> str:
    # The one letter whose small form is two would be written to somebody else.
    return "İ".join(each.lower() for each in local.split("İ"))


def masked_address(address: str) -> str:
    """The address as a log shows it, `a…@example.org`: who knows it recognises it."""
    return f"{address[:1]}…@{address.rpartition('@')[2]}"


def without_addresses(text: str) -> str:
    """The text with every address in it masked: mail servers like to repeat them."""
    return _ADDRESSES.sub(lambda found: masked_address(found[0]), text) if "@" in text else text
