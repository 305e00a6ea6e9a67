"""Who asks, behind proxies and without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph import InvalidSetting
from heliograph.settings import load
from services.notifier.proxies import Proxies
from services.notifier.settings import NotifierSettings

PROXIES = Proxies("10.0.0.0/8, 192.0.2.7, fd00::/8")
CLIENT, OTHER = "198.51.100.4", "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        (CLIENT, [], CLIENT),
        (CLIENT, [OTHER], CLIENT),
        ("192.0.2.8", [OTHER], "192.0.2.8"),
        ("10.0.0.1", [CLIENT], CLIENT),
        ("192.0.2.7", [CLIENT], CLIENT),
        ("10.0.0.1", [f"{OTHER}, {CLIENT}"], CLIENT),
        ("10.0.0.1", [f"{OTHER}, {CLIENT}, 10.7.7.7,192.0.2.7"], CLIENT),
        ("10.0.0.1", [OTHER, f"{CLIENT}", "10.7.7.7"], CLIENT),
        ("::ffff:10.0.0.1", [f"::ffff:{CLIENT}"], CLIENT),
        ("fd00::1", [f"{CLIENT}:54321"], CLIENT),
    ],
    ids=[
        "no proxy",
        "a forged header",
        "a header of a proxy that is not ours",
        "a proxy",
        "a proxy by its address",
        "a forged header through a proxy",
        "a chain of proxies",
        "a header of several lines",
        "IPv4 in IPv6",
        "a port",
    ],
)
def test_the_client_is_the_last_that_no_proxy_of_ours_is(
    peer: str, lines: list[str], client: str
) -> None:
    assert PROXIES.client(peer, lines) == client


@pytest.mark.parametrize(
    "hop",
    [
        "2001:db8:1:2:3:4:5:6",
        "[2001:db8:1:2:3:4:5:6]",
        "[2001:db8:1:2:3:4:5:6]:443",
        "2001:DB8:1:2::%eth0",
        " 2001:db8:1:2:ffff:ffff:ffff:ffff ",
    ],
)
def test_a_network_of_ipv6_is_one_client(hop: str) -> None:
    assert PROXIES.client("10.0.0.1", [hop]) == "2001:db8:1:2::/64"


@pytest.mark.parametrize(
    "garbage", ["", " ", "unknown", "_hidden", "1.2.3", "::1::", "[", "\0", "é"]
)
def test_what_is_no_address_ends_the_chain(garbage: str) -> None:
    assert PROXIES.client("10.0.0.1", [f"{CLIENT},{garbage},10.2.2.2"]) == "10.2.2.2"
    assert PROXIES.client("10.0.0.1", [garbage]) == "10.0.0.1"


def test_where_all_are_trusted_it_is_the_farthest() -> None:
    assert PROXIES.client("10.0.0.1", ["10.0.0.3,10.0.0.2"]) == "10.0.0.3"
    assert Proxies("0.0.0.0/0").client(CLIENT, [OTHER]) == OTHER


@pytest.mark.parametrize("peer", [None, "", "testclient", "/run/notifier.sock"])
def test_who_has_no_address_is_unknown(peer: str | None) -> None:
    assert PROXIES.client(peer, [CLIENT]) == "unknown"


@given(st.lists(st.text()))
def test_nobody_is_believed_where_no_proxy_is_trusted(lines: list[str]) -> None:
    assert Proxies("").client(CLIENT, lines) == CLIENT


@given(st.lists(st.text()))
def test_no_header_is_an_error(lines: list[str]) -> None:
    assert PROXIES.client("10.0.0.1", lines)


@pytest.mark.parametrize(
    "wrong", ["*", "proxy.example", "10.0.0.0/40", "10.0.0.1;10.0.0.2", "a,10.0.0.1"]
)
def test_a_setting_that_is_none_stops_the_program_in_one_line(wrong: str) -> None:
    with pytest.raises(
        InvalidSetting, match=r"^NOTIFIER_TRUSTED_PROXIES: must be addresses or net"
    ):
        load(NotifierSettings, {"NOTIFIER_TRUSTED_PROXIES": wrong})
    loaded = load(NotifierSettings, {"NOTIFIER_TRUSTED_PROXIES": "10.0.0.7, 10.1.0.0/16,"})
    assert loaded.trusted_proxies == "10.0.0.7, 10.1.0.0/16,"
