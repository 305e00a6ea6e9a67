import json
from pathlib import Path

import pytest

from heliograph import InvalidSetting
from heliograph.settings import load
from services.console.settings import ConsoleSettings

CATALOG = {"name": "catalog", "url": "http://catalog:8000/"}


def services(*told: dict[str, object]) -> ConsoleSettings:
    return load(ConsoleSettings, {"CONSOLE_SERVICES": json.dumps(told)})


def test_services_are_asked_where_they_are_said_to_be() -> None:
    settings = services(
        {**CATALOG, "token": "hush"}, {"name": "census", "url": "https://census.example"}
    )
    first, second = settings.services
    assert (first.name, first.url, first.bearer()) == ("catalog", "http://catalog:8000", "hush")
    assert (second.name, second.bearer()) == ("census", None)
    assert "hush" not in repr(settings)


@pytest.mark.parametrize("value", ["", "[]"])
def test_without_services_only_events_are_shown(value: str) -> None:
    assert load(ConsoleSettings, {"CONSOLE_SERVICES": value}).services == ()
    assert load(ConsoleSettings, {}).services == ()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("hush", 'must be JSON such as [{"name": "catalog", "url": "http://…"}]'),
        ("[" * 100_000, 'must be JSON such as [{"name": "catalog", "url": "http://…"}]'),
        ('{"name": "hush"}', "the value: Input should be a valid tuple"),
        ('["hush"]', "0: Input should be a valid dictionary or instance of ServiceAddress"),
        ('[{"name": "hush"}]', "0.url: Field required"),
        (
            '[{"name": "Hush!", "url": "http://a"}]',
            "0.name: must be up to 40 of a-z, 0-9, - and _, a letter first",
        ),
        ('[{"name": "a", "url": "ftp://hush"}]', "0.url: must be http[s]://host[:port][/path]"),
        (
            '[{"name": "a", "url": "http://a"}, {"name": "b", "url": "http://b", "tokn": "hush"}]',
            "1.tokn: Extra inputs are not permitted",
        ),
        (
            '[{"name": "a", "url": "http://a", "token": "hush", "token_file": "/hush"}]',
            "0: has a token and a token_file: give one of them",
        ),
        (
            '[{"name": "a", "url": "http://a", "token": "hush hush"}]',
            "0: has a token that is empty, or no token: it has spaces, say",
        ),
        (
            '[{"name": "a", "url": "http://a"}, {"name": "a", "url": "http://hush"}]',
            "two services have one name",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_without_its_value(value: str, told: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        load(ConsoleSettings, {"CONSOLE_SERVICES": value})
    assert str(caught.value) == f"CONSOLE_SERVICES: {told}"


def test_the_services_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "services"
    path.write_text(json.dumps([CATALOG]) + "\n")
    [found] = load(ConsoleSettings, {"CONSOLE_SERVICES_FILE": str(path)}).services
    assert found.name == "catalog"


def test_a_file_with_a_token_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "token"
    [address] = services({**CATALOG, "token_file": str(path)}).services
    for token in ("first", "second"):
        path.write_text(f"{token}\n")
        assert address.bearer() == token


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no token"),
        (b"hush hush", "holds no token"),
        (b"\xff\xfe", "holds no token"),
    ],
)
def test_a_file_that_holds_no_token_is_told_of_by_its_service(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    [address] = services({**CATALOG, "token_file": str(path)}).services
    with pytest.raises(InvalidSetting) as caught:
        address.bearer()
    assert str(caught.value) == f"CONSOLE_SERVICES: the token_file of catalog {told}"


def test_a_path_with_a_nul_is_no_file_with_a_token() -> None:
    [address] = services({**CATALOG, "token_file": "a\0b"}).services
    with pytest.raises(InvalidSetting, match=r"cannot be read: it is no path$"):
        address.bearer()


def test_the_console_has_a_host_or_a_port_of_its_own() -> None:
    with pytest.raises(InvalidSetting, match=r"^CONSOLE_PUBLIC_URL: must have no path"):
        load(ConsoleSettings, {"CONSOLE_PUBLIC_URL": "https://shop.example/console"})
    there = load(ConsoleSettings, {"CONSOLE_PUBLIC_URL": "https://console.example/"})
    assert there.public_url == "https://console.example"
