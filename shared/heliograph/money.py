"""Money: an integer of minor units in the database, a decimal string in public."""

from decimal import Decimal, InvalidOperation

# ISO 4217, list one: the active currencies by the number of their decimals.
_EXPONENTS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN "
        "BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP "
        "GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT "
        "LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN "
        "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE "
        "SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES "
        "WST XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENT = {code: exponent for exponent, codes in _EXPONENTS.items() for code in codes.split()}

LARGEST_MINOR = 10**15 - 1
"""Most minor units of one amount: far from the limits of a 64-bit integer, and a JSON
reader that parses numbers as doubles still keeps it exact."""

_LARGEST = {code: Decimal(LARGEST_MINOR).scaleb(-places) for code, places in _EXPONENT.items()}


def exponent(currency: str) -> int:
    """Decimals of the currency's major unit; `ValueError` if ISO 4217 does not list it."""
    try:
        return _EXPONENT[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not a currency of ISO 4217") from None


def currencies(places: int) -> tuple[str, ...]:
    """List the currencies whose major unit has this many decimals."""
    return tuple(_EXPONENTS[places].split())


def to_minor(amount: Decimal, currency: str) -> int:
    """Convert to minor units; `ValueError` for what the currency cannot express exactly."""
    places = exponent(currency)
    # The size first: scaling 1e1000000 would take a gigabyte of digits.
    if not amount.is_finite() or amount.adjusted() > len(str(LARGEST_MINOR)):
        raise ValueError("the amount is too large")
    try:
        minor = amount.scaleb(places)
        whole = minor.to_integral_exact()
    except InvalidOperation:
        raise ValueError(f"{currency} has {places} decimals") from None
    if minor != whole or amount.as_tuple().exponent < -places:  # type: ignore[operator]  # finite
        raise ValueError(f"{currency} has {places} decimals")
    if abs(whole) > LARGEST_MINOR:
        raise ValueError("the amount is too large")
    return int(whole)


def is_amount(amount: Decimal, currency: str) -> bool:
    """Whether the currency has exactly these decimals, and we can keep an amount of this size.

    True of a currency that ISO 4217 does not list, or not yet: nobody knows its decimals. Takes
    the same time for any amount.
    """
    largest = _LARGEST.get(currency)
    return largest is None or (amount.same_quantum(largest) and 0 <= amount <= largest)


def from_minor(minor: int, currency: str) -> Decimal:
    """Convert to the major unit, with exactly the currency's decimals."""
    return Decimal(minor).scaleb(-exponent(currency))
