"""Signing in: once by a link, or with a token; and out again."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import quote

import httpx2
import pytest
from fastapi import APIRouter, Response
from pydantic import SecretStr
from sqlalchemy import select, update
from structlog.testing import capture_logs

from heliograph.database import database_now
from heliograph.web import GuardedRoute
from services.console.api.dependencies import Actor, Viewer, log_act
from services.console.api.pages import page
from services.console.models import BrowserSession, SignInLink
from services.console.service import Console
from services.console.settings import ConsoleSettings
from tests.integration.services.console.conftest import CONSOLE, KEY, browser

COOKIE = "heliograph-console-80"

pages = APIRouter(route_class=GuardedRoute, include_in_schema=False)


@pages.get("/")
async def look(viewer: Viewer) -> Response:
    return page("wrong", viewer, title="Here", said="Nothing else.", errors=[])


@pages.post("/act")
async def act(viewer: Actor) -> Response:
    log_act(viewer, "acted", on="lamps")
    return page("wrong", viewer, title="Done", said="It was done.", errors=[])


@asynccontextmanager
async def behind(console: Console, public_url: str) -> AsyncIterator[Console]:
    """Another console on the same database, as a proxy would show it."""
    settings = ConsoleSettings(
        database_url=str(console.database.url), secret_key=SecretStr(KEY), public_url=public_url
    )
    other = Console(settings, console.bus)
    try:
        yield other
    finally:
        await other.close()


async def csrf(client: httpx2.AsyncClient) -> str:
    """The token that the forms of this browser's session carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', (await client.get("/")).text)
    assert found is not None
    return found[1]


async def sessions(console: Console) -> int:
    async with console.database.reading() as session:
        return len((await session.scalars(select(BrowserSession))).all())


async def test_a_link_signs_in_once_and_says_so_to_the_next(console: Console) -> None:
    link = await console.sign_in_link("ada", "console:read")
    assert link.startswith(f"{CONSOLE}/sign-in/")
    async with browser(console, more=pages) as first, browser(console) as second:
        answer = await first.get(link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "ada" in (await first.get("/")).text
        again = await second.get(link)
        assert again.status_code == 403
        assert "has signed somebody in already" in again.text
        assert "set-cookie" not in again.headers


async def test_of_two_that_follow_a_link_at_once_one_is_signed_in(console: Console) -> None:
    link = await console.sign_in_link("ada", "console:read")
    async with browser(console) as first, browser(console) as second:
        answers = await asyncio.gather(first.get(link), second.get(link))
    assert sorted(each.status_code for each in answers) == [303, 403]


async def test_a_link_is_good_for_an_hour_and_unknown_ones_never(console: Console) -> None:
    link = await console.sign_in_link("ada", "console:read")
    async with console.database.transaction() as session:
        await session.execute(update(SignInLink).values(expires_at=database_now(-1)))
    async with browser(console) as stranger:
        for each in (link, "/sign-in/nobody-was-sent-this"):
            answer = await stranger.get(each)
            assert answer.status_code == 403
            assert "is not known here, or it is older than an hour" in answer.text


async def test_a_token_signs_in_whatever_else_it_is_good_for(console: Console) -> None:
    token = console.tokens.issue("ada", ["console:read", "catalog:write"])
    async with browser(console, more=pages) as client:
        answer = await client.post("/sign-in", data={"token": f" {token}\n"})
        assert answer.status_code == 303
        assert "ada" in (await client.get("/")).text


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("console:write", "lacks the scope console:read"),
        ("catalog:admin", "The token is for another service"),
    ],
)
async def test_a_token_that_is_not_for_the_console_signs_nobody_in(
    console: Console, scope: str, said: str
) -> None:
    async with browser(console) as client:
        answer = await client.post(
            "/sign-in", data={"token": console.tokens.issue("ada", [scope]), "next": "/parked"}
        )
        assert answer.status_code == 403
        assert said in answer.text
        assert 'name="next" value="/parked"' in answer.text
        assert "set-cookie" not in answer.headers
        nothing = await client.post("/sign-in", data={"token": "nothing"})
        assert "The token is not valid here" in nothing.text


@pytest.mark.parametrize(("lifetime", "lasts"), [(1, 3_600), (100, 43_200)])
async def test_a_session_ends_with_its_token_and_after_twelve_hours(
    console: Console, lifetime: int, lasts: int
) -> None:
    token = console.tokens.issue("ada", ["console:read"], timedelta(hours=lifetime))
    async with browser(console) as client:
        await client.post("/sign-in", data={"token": token})
    async with console.database.reading() as session:
        found = (await session.scalars(select(BrowserSession))).one()
    assert abs((found.expires_at - found.started_at).total_seconds() - lasts) < 30


async def test_a_session_that_has_ended_leads_to_where_one_signs_in_and_back(
    console: Console,
) -> None:
    async with browser(console, "console:read", more=pages) as client:
        assert (await client.get("/")).status_code == 200
        async with console.database.transaction() as session:
            await session.execute(update(BrowserSession).values(expires_at=database_now(-1)))
        answer = await client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")

    pages_of_ours = APIRouter(route_class=GuardedRoute)

    @pages_of_ours.get("/things/{id}")
    async def one(viewer: Viewer, id: str, q: str) -> Response:
        return Response()

    async with browser(console, more=pages_of_ours) as client:
        answer = await client.get("/things/1?q=a%26b")
        assert answer.headers["location"] == "/sign-in?next=%2Fthings%2F1%3Fq%3Da%2526b"
        form = await client.get(answer.headers["location"])
        assert 'name="next" value="/things/1?q=a%26b"' in form.text
        token = console.tokens.issue("ada", ["console:read"])
        data = {"token": token, "next": "/things/1?q=a%26b"}
        back = await client.post("/sign-in", data=data)
        assert back.headers["location"] == "/things/1?q=a%26b"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/%0d\n",
        "javascript:alert(1)",
        "events",
        "/" + "a" * 3000,
        "",
    ],
)
async def test_nobody_is_led_to_another_site(console: Console, elsewhere: str) -> None:
    token = console.tokens.issue("ada", ["console:read"])
    async with browser(console) as client:
        form = await client.get(f"/sign-in?next={quote(elsewhere, safe='')}")
        assert 'name="next" value="/"' in form.text
        answer = await client.post("/sign-in", data={"token": token, "next": elsewhere})
        assert answer.headers["location"] == "/"


async def test_programs_are_told_that_nobody_is_signed_in(console: Console) -> None:
    async with browser(console, more=pages) as client:
        for accepted in ("text/event-stream", "*/*", "application/json"):
            answer = await client.get("/", headers={"Accept": accepted})
            assert answer.status_code == 401
            assert answer.json()["type"] == "urn:heliograph:problem:unauthenticated"


async def test_the_cookie_is_for_this_console_alone(console: Console) -> None:
    async with browser(console, "console:read") as client:
        [plain] = [each for each in client.cookies.jar if each.name == COOKIE]
        assert (plain.path, plain.secure, plain.has_nonstandard_attr("HttpOnly")) == (
            "/",
            False,
            True,
        )
        assert plain.get_nonstandard_attr("SameSite") == "lax"
        assert plain.expires is None
    for url, name in (
        ("https://console.example", "__Host-heliograph-console-443"),
        ("HTTPS://console.example:8443", "__Host-heliograph-console-8443"),
        ("http://127.0.0.1:9002", "heliograph-console-9002"),
    ):
        async with behind(console, url) as elsewhere, browser(elsewhere) as client:
            token = console.tokens.issue("ada", ["console:read"])
            answer = await client.post("/sign-in", data={"token": token})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith(f"{name}=")
            assert ("; Secure" in cookie) == url.lower().startswith("https")
            assert "; HttpOnly" in cookie
            assert "; Path=/" in cookie
            assert "; SameSite=lax" in cookie
            assert "omain" not in cookie


async def test_who_signs_in_again_has_a_new_session_and_the_old_one_is_gone(
    console: Console,
) -> None:
    async with browser(console, "console:read", more=pages) as client:
        before = client.cookies[COOKIE]
        await client.get(await console.sign_in_link("bob", "console:admin"))
        assert client.cookies[COOKIE] != before
        assert "bob" in (await client.get("/")).text
        assert await sessions(console) == 1


async def test_a_cookie_of_somebodys_making_is_no_session(console: Console) -> None:
    async with browser(console, more=pages) as client:
        client.cookies.set(COOKIE, "chosen-by-somebody-else")
        assert (await client.get("/")).status_code == 303
        await client.get(await console.sign_in_link("ada", "console:read"))
        held = [each.value for each in client.cookies.jar if each.value != ""]
        assert "chosen-by-somebody-else" not in held or len(held) == 2
        async with browser(console, more=pages) as stranger:
            stranger.cookies.set(COOKIE, "chosen-by-somebody-else")
            assert (await stranger.get("/")).status_code == 303


async def test_who_signs_out_is_out(console: Console) -> None:
    async with browser(console, "console:read", more=pages) as client:
        secret = client.cookies[COOKIE]
        token = await csrf(client)
        answer = await client.post("/sign-out", data={"csrf": "another's"})
        assert answer.status_code == 403
        assert await sessions(console) == 1
        answer = await client.post("/sign-out", data={"csrf": token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert COOKIE not in client.cookies
        assert await sessions(console) == 0
        again = await client.post("/sign-out", data={"csrf": token})
        assert (again.status_code, again.headers["location"]) == (303, "/sign-in")
        assert (await client.get("/", headers={"Cookie": f"{COOKIE}={secret}"})).status_code == 303


async def test_who_acts_is_logged(console: Console) -> None:
    async with browser(console, "console:admin", more=pages) as client:
        with capture_logs() as logged:
            answer = await client.post("/act", data={"csrf": await csrf(client)})
        assert answer.status_code == 200
    [line] = [each for each in logged if each["event"] == "acted"]
    assert (line["person"], line["on"]) == ("ada", "lamps")


async def test_who_only_looks_does_not_act(console: Console) -> None:
    async with browser(console, "console:read", more=pages) as client:
        answer = await client.post("/act", data={"csrf": await csrf(client)})
        assert answer.status_code == 403
        assert "that needs the scope console:admin. Nothing was done." in answer.text
        assert "Sign out" in answer.text


@pytest.mark.parametrize("token", [None, "", "guessed", "é\udcff"])
async def test_a_form_without_the_sessions_token_does_nothing(
    console: Console, token: str | None
) -> None:
    async with browser(console, "console:admin", more=pages) as client:
        body = b"" if token is None else b"csrf=" + token.encode("utf-8", "surrogateescape")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.post("/act", content=body, headers=form)
        assert answer.status_code == 403
        assert "The form is from another session" in answer.text


async def test_a_form_of_another_session_does_nothing(console: Console) -> None:
    async with (
        browser(console, "console:admin", more=pages) as ours,
        browser(console, "console:admin", more=pages) as theirs,
    ):
        answer = await ours.post("/act", data={"csrf": await csrf(theirs)})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://console:81"},
        {"Origin": "https://console"},
        {"Origin": "null"},
        {"Origin": "http://console:port"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_sites_form_does_nothing_though_it_has_the_token(
    console: Console, headers: dict[str, str]
) -> None:
    async with browser(console, "console:admin", more=pages) as client:
        data = {"csrf": await csrf(client)}
        for path in ("/act", "/sign-out", "/sign-in"):
            answer = await client.post(path, data=data, headers=headers)
            assert answer.status_code == 403, path
            assert "another site" in answer.text
        assert await sessions(console) == 1


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        (CONSOLE, "http://console"),
        (CONSOLE, "http://console:80"),
        # As a proxy hands requests on: with the name of this host, without TLS.
        ("https://console.example", "https://console.example"),
        ("https://Console.Example:443", "https://console.example"),
        ("https://console.example:8443", "https://console.example:8443"),
    ],
)
async def test_a_form_of_ours_is_heard_behind_a_proxy_too(
    console: Console, public_url: str, origin: str
) -> None:
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    token = console.tokens.issue("ada", ["console:admin"])
    async with behind(console, public_url) as proxied, browser(proxied) as client:
        answer = await client.post("/sign-in", data={"token": token}, headers=headers)
        assert answer.status_code == 303


async def test_a_session_that_ends_in_mid_act_says_what_was_not_done(console: Console) -> None:
    async with browser(console, "console:admin", more=pages) as client:
        data = {"csrf": await csrf(client)}
        async with console.database.transaction() as session:
            await session.execute(update(BrowserSession).values(expires_at=database_now(-1)))
        with capture_logs() as logged:
            answer = await client.post(
                "/act", data=data, headers={"Referer": f"{CONSOLE}/parked?service=catalog"}
            )
        assert answer.status_code == 403
        assert "Your session has ended, and nothing was done." in answer.text
        assert 'name="next" value="/parked?service=catalog"' in answer.text
        assert "acted" not in [each["event"] for each in logged]


async def test_no_log_has_the_token_of_a_link_or_of_a_caller(console: Console) -> None:
    link = await console.sign_in_link("ada", "console:read")
    token = console.tokens.issue("ada", ["console:read"])
    with capture_logs() as logged:
        async with browser(console) as client:
            for _ in range(2):
                await client.get(link)
            await client.post("/sign-in", data={"token": token})
    assert "/sign-in/{token}" in [each.get("route") for each in logged]
    for secret in (link.rpartition("/")[2], token):
        assert secret not in str(logged)


async def test_the_database_has_hashes_of_secrets_alone(console: Console) -> None:
    link = await console.sign_in_link("ada", "console:read")
    async with browser(console, "console:read") as client:
        secret = client.cookies[COOKIE]
    async with console.database.reading() as session:
        kept = [
            *(await session.scalars(select(BrowserSession))),
            *(await session.scalars(select(SignInLink))),
        ]
        columns = str([vars(each) for each in kept])
    assert secret not in columns
    assert link.rpartition("/")[2] not in columns
