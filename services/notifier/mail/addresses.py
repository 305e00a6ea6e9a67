"""Email addresses: the plain form in which the notifier keeps and uses them."""

import re
import unicodedata

# RFC 5321 4.5.3.1: 64 octets of local part; a path of 256 includes its angle brackets.
LONGEST_ADDRESS = 254
LONGEST_LOCAL_PART = 64

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def valid_address(value: str) -> str:
    """The address `value`, its domain in lower case and in ASCII, its local part as it came.

    The result is a dot-atom, an `@` and a host name (RFC 5321 without quoted local parts,
    address literals and SMTPUTF8), so it is safe in a header and in an SMTP command. Applying
    the function to its own result changes nothing.

    Raises ValueError with a sentence for the person who typed the address.
    """
    if value.count("@") != 1:
        raise ValueError("an email address has exactly one @")
    local, domain = value.split("@")
    if not local.isascii():
        raise ValueError("the part before the @ must be ASCII")
    if len(local) > LONGEST_LOCAL_PART:
        raise ValueError(f"the part before the @ has at most {LONGEST_LOCAL_PART} characters")
    if not _DOT_ATOM.fullmatch(local):
        raise ValueError("the part before the @ has characters that are not supported")
    address = f"{local}@{_valid_domain(domain)}"
    if len(address) > LONGEST_ADDRESS:
        raise ValueError(f"an email address has at most {LONGEST_ADDRESS} characters")
    return address


def _valid_domain(domain: str) -> str:
    ascii_domain = domain.lower() if domain.isascii() else _idna(domain)
    labels = ascii_domain.split(".")
    # RFC 3696 section 2: no top-level domain is numeric, what looks like one is an IP address.
    if not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError("the part after the @ is not a domain name")
    return ascii_domain


def _idna(domain: str) -> str:
    refusal = "the part after the @ cannot be written as an internationalised domain name"
    try:
        encoded = domain.encode("idna")
        decoded = encoded.decode("idna")
    except UnicodeError as error:
        raise ValueError(refusal) from error
    # Python encodes IDNA 2003, which maps some letters to others ("ß" to "ss"). A domain that
    # does not survive the way back would deliver to somebody else.
    if decoded != unicodedata.normalize("NFC", domain.lower()):
        raise ValueError(refusal)
    return encoded.decode("ascii").lower()
