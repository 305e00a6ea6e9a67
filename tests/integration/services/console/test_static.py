"""The files of pages: kept by browsers for good, and right."""

import re

import pytest
from structlog.testing import capture_logs

from services.console.api.static import static
from services.console.service import Console
from tests.integration.services.console.conftest import browser


@pytest.mark.parametrize(
    ("name", "kind"), [("console.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml")]
)
async def test_a_file_is_kept_for_good_under_its_version(
    console: Console, name: str, kind: str
) -> None:
    async with browser(console) as client:
        answer = await client.get(static(name))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        for other in (f"/static/{name}", f"/static/{name}?0"):
            assert (await client.get(other)).headers["cache-control"] == "no-cache"
        assert static(name) in (await client.get("/sign-in")).text


async def test_only_files_of_pages_are_answered(console: Console) -> None:
    async with browser(console) as client:
        for path in (
            "/static/",
            "/static/..%2fservice.py",
            "/static/%2e%2e/service.py",
            "/static/../service.py",
            "/static/console.css/",
            "/static/console.css%00",
        ):
            assert (await client.get(path)).status_code == 404, path
        assert (await client.post("/static/console.css")).status_code == 405


@pytest.mark.parametrize(
    ("name", "path"),
    [("way.js", "/events/0197a3c2-5a5e-7cc3-9a4e-2f6d0c9b8e71"), ("state.js", "/state")],
)
async def test_a_script_that_looks_again_is_led_to_where_one_signs_in(
    console: Console, name: str, path: str
) -> None:
    async with browser(console) as client:
        script = (await client.get(static(name))).text
        calls = re.findall(r"fetch\(.*?\);", script, re.DOTALL)
        assert calls
        for call in calls:
            said = re.search(r'Accept: "([^"]*)"', call)
            # A browser says the latter by itself.
            answer = await client.get(path, headers={"Accept": said[1] if said else "*/*"})
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in?next=")


async def test_requests_for_files_are_logged_as_such(console: Console) -> None:
    async with browser(console) as client:
        with capture_logs() as logged:
            await client.get(static("console.css"))
            await client.get("/static/nothing.css")
    assert [each["route"] for each in logged] == ["/static/{name}"] * 2
