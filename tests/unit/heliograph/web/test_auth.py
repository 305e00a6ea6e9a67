from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from heliograph.tokens import LEEWAY, Caller, InvalidToken, Tokens
from tests.polling import until

KEY = "k" * 64
PREVIOUS = "p" * 64
TOKENS = Tokens(SecretStr(KEY), "catalog", previous=SecretStr(PREVIOUS))


def token(
    key: str = KEY,
    algorithm: str = "HS256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    claims = {
        "iss": "heliograph",
        "aud": "catalog",
        "sub": "user-7",
        "exp": datetime.now(UTC) + timedelta(hours=1),
        **changes,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers=header)


def claims(issued: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(issued, options={"verify_signature": False})
    return found


def test_what_was_issued_is_verified() -> None:
    issued = TOKENS.issue("user-7", ["catalog:read", "catalog:write"])
    assert TOKENS.verify(issued) == Caller("user-7", frozenset({"catalog:read", "catalog:write"}))


def test_a_token_of_other_hands_is_verified_by_its_claims() -> None:
    assert TOKENS.verify(token()) == Caller("user-7")
    assert TOKENS.verify(token(aud=["notifier", "catalog"])) == Caller("user-7")
    for kind in ("JWT", "at+JWT", "application/at+jwt", None):
        assert TOKENS.verify(token(header={"typ": kind})) == Caller("user-7")


def test_a_token_says_what_it_is_and_for_which_services() -> None:
    issued = TOKENS.issue("user-7", ["notifier:admin", "catalog:read", "catalog:write"])
    header = jwt.get_unverified_header(issued)
    assert header["typ"] == "at+jwt"
    assert header["alg"] == "HS256"
    assert len(header["kid"]) == 16
    assert claims(issued)["aud"] == ["catalog", "notifier"]
    assert claims(TOKENS.issue("user-7", []))["aud"] == ["catalog"]


def test_a_service_refuses_the_token_of_another() -> None:
    issued = TOKENS.issue("user-7", ["notifier:admin"])
    assert Tokens(SecretStr(KEY), "notifier").verify(issued).subject == "user-7"
    with pytest.raises(InvalidToken, match="another service"):
        TOKENS.verify(issued)


@pytest.mark.parametrize("named", [True, False])
def test_the_key_before_is_accepted_and_never_signs(*, named: bool) -> None:
    before, after = Tokens(SecretStr(PREVIOUS), "catalog"), Tokens(SecretStr(KEY), "catalog")
    old = before.issue("user-7", []) if named else token(PREVIOUS)
    assert TOKENS.verify(old) == Caller("user-7")
    with pytest.raises(InvalidToken):
        after.verify(old)
    new = TOKENS.issue("user-7", [])
    assert after.verify(new) == Caller("user-7")
    with pytest.raises(InvalidToken):
        before.verify(new)


@pytest.mark.parametrize(
    "scope",
    ["", "foo", "catalog", "catalog:", ":read", "catalog:delete", "catalog:read x", "Catalog:read"],
)
def test_what_is_no_scope_is_not_signed(scope: str) -> None:
    with pytest.raises(InvalidToken, match="is not a scope"):
        TOKENS.issue("user-7", [scope])


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "x.y.z",
        "é",
        "\ud800",
        "." * 5000,
        "W" * 3000 + ".e30.x",
        token("other" * 8),
        token("", algorithm="none"),
        token(KEY, algorithm="HS512"),
        token(aud=None),
        token(aud="shop"),
        token(aud="heliograph"),
        token(aud=["notifier"]),
        token(aud=[]),
        token(header={"kid": "1"}),
        token(header={"kid": ""}),
        token(header={"typ": "reset+jwt"}),
        token(PREVIOUS, header={"kid": jwt.get_unverified_header(TOKENS.issue("a", []))["kid"]}),
        token(iss=None),
        token(iss="shop"),
        token(exp=None),
        token(exp=float("inf")),
        token(exp="soon"),
        token(sub=None),
        token(sub=""),
        token(sub="a\0b"),
        token(sub="a" * 201),
        token(scope=["catalog:write"]),
        token(nbf=datetime.now(UTC) + timedelta(minutes=30)),
    ],
)
def test_a_token_that_is_not_ours_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(wrong)


def test_an_expired_token_is_told_from_a_wrong_one() -> None:
    TOKENS.verify(token(exp=datetime.now(UTC) - timedelta(seconds=2)))
    with pytest.raises(InvalidToken, match="expired"):
        TOKENS.verify(token(exp=datetime.now(UTC) - timedelta(seconds=20)))


async def test_a_token_that_is_known_expires_like_any_other() -> None:
    known = token(exp=datetime.now(UTC) - LEEWAY + timedelta(seconds=2))

    def expired() -> bool:
        try:
            TOKENS.verify(known)
        except InvalidToken as error:
            return "expired" in str(error)
        return False

    assert not expired()
    await until(expired)


@pytest.mark.parametrize("subject", ["", "a\0b", "a" * 201, "\ud800"])
def test_a_subject_that_would_be_refused_is_not_signed(subject: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.issue(subject, [])
