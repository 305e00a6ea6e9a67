import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.mail.addresses import parsed_address, valid_address


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada.Lovelace+news@Example.ORG", "ada.lovelace+news@example.org"),
        ("ada@shop.test", "ada@shop.test"),
        ("a=?b@example.org", "a=?b@example.org"),
        ("!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"),
        ("Jürgen@example.org", "jürgen@example.org"),
        ("JU\u0308RGEN@example.org", "jürgen@example.org"),
        ("İ@example.org", "İ@example.org"),
        ("ΟΔΟΣ@example.org", "οδος@example.org"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@example\u3002org", "ada@example.org"),
        ("root@localhost", "root@localhost"),
        ("o'hara@bücher.example", "o'hara@xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_a_plain_address_is_kept_in_lower_case_its_domain_in_ascii(typed: str, kept: str) -> None:
    assert valid_address(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@@example.org",
        "ada@example.org, bob@example.org",
        "Ada <ada@example.org>",
        '"ada lovelace"@example.org',
        " ada@example.org",
        "ada@example.org\n",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada\x00@example.org",
        ".ada@example.org",
        "ada..l@example.org",
        "ada.@example.org",
        "ada@example..org",
        "ada@example.org.",
        "ada@-example.org",
        "ada@exa_mple.org",
        "ada@[127.0.0.1]",
        "ada@127.0.0.1",
        "ada@" + "a" * 64 + ".org",
        "a" * 65 + "@example.org",
        "ada@" + ".".join(["a" * 60] * 5),
    ],
)
def test_what_is_not_a_plain_address_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$"):
        valid_address(typed)


@given(st.text(alphabet=string.printable + "äß。\u2028\u202e", max_size=30), st.text(max_size=30))
def test_a_valid_address_is_one_safe_word_and_stays_as_it_is(local: str, domain: str) -> None:
    try:
        address = valid_address(f"{local}@{domain}")
    except ValueError:
        return
    assert address.isprintable()
    assert not set(address) & set(string.whitespace + '<>()[]\\,;:"\x00')
    assert len(address.encode()) <= 254
    assert valid_address(address) == address


LETTERS = st.text(alphabet="azAZ09._+-é", min_size=1, max_size=12)


@given(LETTERS, st.lists(LETTERS, min_size=1, max_size=8).map(".".join))
def test_a_plain_address_is_what_the_library_makes_of_it(local: str, domain: str) -> None:
    def answer(check: Callable[[str], str]) -> str | None:
        try:
            return check(f"{local}@{domain}")
        except ValueError:
            return None

    assert answer(valid_address) == answer(parsed_address)
