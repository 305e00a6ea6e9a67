from tests.containers.composed import Composed
from tests.containers.mailbox import SUBSCRIBED, mails
from tests.containers.stranger import Stranger
from tests.story import Shop, tell


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
