"""The stack as a person meets it: the whole story, and the console."""

import httpx2

from tests.containers.composed import CONSOLE_PORT, Composed
from tests.containers.mailbox import SUBSCRIBED, mails
from tests.containers.stranger import Stranger
from tests.story import Shop, tell
from tools.stack import docker, sign_in_link

PAGES = {"Accept": "text/html"}


def test_the_whole_story_on_the_composed_stack(stack: Composed, stranger: Stranger) -> None:
    def emails() -> list[tuple[str, str]]:
        received = mails(stack.mail_url)
        return [(each.to, each.subject) for each in received if each.to != SUBSCRIBED]

    [catalog], [notifier] = stack.urls("catalog"), stack.urls("notifier")
    vera = stack.token("catalog", "vera", ["catalog:read"])
    with Shop(catalog, notifier, stack.token("catalog"), stack.token("notifier")) as shop:
        product = tell(shop, emails, stack.files, vera)

    stack.wait_until_drained()
    stranger.listen()
    heard = [each for each in stranger.heard if each.subject == product]
    assert [each.signal for each in heard if each.signal != "viewed"] == [
        *["pre_save", "post_save"] * 3,
        *["pre_delete", "post_delete"],
    ]
    assert sum(each.signal == "viewed" for each in heard) == 3


def test_a_link_signs_in_and_every_console_knows_it(stack: Composed) -> None:
    stack.up({"console": 2}, keep=True)
    try:
        link = sign_in_link(stack)
        origin = f"http://127.0.0.1:{CONSOLE_PORT}"
        assert link.startswith(f"{origin}/sign-in/")
        urls = stack.urls("console")
        assert len(urls) == 2
        # Who was replaced before has left the first port of the range to nobody.
        link = link.replace(origin, urls[0])
        with httpx2.Client(headers=PAGES, timeout=10) as browser:
            assert browser.get(link).status_code == 303
            assert browser.get(link).status_code == 403
            for url in urls:
                assert browser.get(f"{url}/").status_code == 200
    finally:
        stack.up({"console": 1}, keep=True)


def test_tokens_for_the_console_are_its_own_and_let_it_in(stack: Composed) -> None:
    [container] = stack.ids("console")
    for service in ("catalog", "notifier"):
        path = f"/tokens/{service}/token"
        assert docker("exec", container, "stat", "-c", "%a %u", path).split() == ["600", "10001"]
        token = docker("exec", container, "cat", path).strip()
        parked = httpx2.get(
            f"{stack.urls(service)[0]}/v1/inbox/parked",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        assert parked.status_code == 200
        for other in stack.ids(service):
            assert "token" not in docker("exec", other, "ls", "/tokens")
