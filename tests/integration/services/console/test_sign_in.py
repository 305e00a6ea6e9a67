"""Signing in: once by a link, or with a token."""

from tests.integration.services.console.conftest import House


async def test_a_link_signs_in_once(house: House) -> None:
    async with house.browser() as stranger:
        assert (await stranger.get("/sign-in/nobody-was-sent-this")).status_code == 403
    async with house.browser("console:read") as browser:
        cookie = browser.cookies["heliograph-console-80"]
        assert cookie not in str(await browser.get("/sign-in"))


async def test_a_token_signs_in(house: House) -> None:
    token = house.console.tokens.issue("ada", ["console:read"])
    async with house.browser() as stranger:
        response = await stranger.post("/sign-in", data={"token": token})
    assert response.status_code == 303
    assert "HttpOnly" in response.headers["set-cookie"]
