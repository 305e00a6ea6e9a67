from structlog.testing import capture_logs

from heliograph.trouble import Trouble


def test_trouble_is_told_when_it_begins_and_when_it_is_over() -> None:
    trouble = Trouble("emails wait", "emails go out again")
    with capture_logs() as lines:
        trouble.end()
        for reason in ("refused", "refused", "no route"):
            trouble.begin(reason)
        trouble.end()
        trouble.end()
        trouble.begin("refused")
    assert trouble.reason == "refused"
    assert [(each["log_level"], each["event"], each.get("reason")) for each in lines] == [
        ("warning", "emails wait", "refused"),
        ("info", "emails go out again", None),
        ("warning", "emails wait", "refused"),
    ]
