"""The pages that people see, as a browser and a screen reader take them."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from heliograph.events import new_id
from services.notifier.api import pages
from services.notifier.api.pages import page, target_text
from services.notifier.api.preferences import Shown
from services.notifier.models import FREQUENCIES

NAMES = ["<script>alert(1)</script>", '" onclick="alert(1)', "كرسي خشبي", "椅子" * 100, ""]
ITEMS = [
    Shown(id=new_id(), topic="new_product", product_name=None, target=None, frequency="instant"),
    Shown(id=new_id(), topic="price_drop", product_name=None, target=None, frequency="daily"),
    *(
        Shown(id=new_id(), topic="price_drop", product_name=name, target=target, frequency="weekly")
        for name in NAMES
        for target in (None, "9.99 EUR")
    ),
]
PREFERENCES = {
    "state": "show",
    "token": "t",
    "email": "ada@example.org",
    "items": ITEMS,
    "more": True,
    "frequencies": FREQUENCIES,
    "time_zone": "Europe/Paris",
    "time_zones": [("Europe", ["Europe/Isle_of_Man", "Europe/Paris"]), ("UTC", ["UTC"])],
    "saved": False,
    "wrong": [],
}
CONFIRM = {
    "topic": "price_drop",
    "product_name": NAMES[0],
    "target": "9.99 EUR",
    "frequency": "weekly",
}
UNSUBSCRIBE = {"token": "t", "topics": ["price_drop"], "product_name": NAMES[0]}
BOTH = {"topics": ["new_product", "price_drop"], "product_name": None}
PAGES: list[tuple[str, dict[str, Any]]] = [
    ("page", {"state": "unknown"}),
    *(("unsubscribe", UNSUBSCRIBE | {"state": state}) for state in ("ask", "done")),
    *(("unsubscribe", UNSUBSCRIBE | BOTH | {"state": state}) for state in ("ask", "done")),
    *(("confirm", CONFIRM | {"state": state}) for state in ("ask", "done", "expired")),
    ("confirm", {"state": "unknown"}),
    ("preferences", PREFERENCES),
    ("preferences", PREFERENCES | {"saved": True, "items": []}),
    ("preferences", PREFERENCES | {"wrong": ["end", "form", "frequency", "time_zone", "x"]}),
    ("preferences", {"state": "ask", "token": "t", "email": "ada@example.org"}),
]
each_page = pytest.mark.parametrize(
    ("template", "context"), PAGES, ids=lambda each: each if isinstance(each, str) else ""
)

VOID = {"meta", "input", "br"}


class Element:
    def __init__(
        self, tag: str, attributes: dict[str, str | None], within: "list[Element]"
    ) -> None:
        self.tag = tag
        self.attributes = attributes
        self.within = within
        self.text = ""


class Reader(HTMLParser):
    """Reads a page into a flat list of its elements, each with the text below it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert self._open == [], "some element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), [*self._open])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for each in self._open:
            each.text += data

    def all(self, *tags: str) -> list[Element]:
        return [each for each in self.elements if each.tag in tags]


def read(template: str, context: dict[str, Any]) -> Reader:
    return Reader(bytes(page(template, **context).body).decode())


@each_page
def test_a_page_runs_no_script_and_loads_nothing(template: str, context: dict[str, Any]) -> None:
    reader = read(template, context)
    assert not reader.all("script", "link", "img", "iframe", "object", "base", "svg")
    for element in reader.elements:
        names = set(element.attributes)
        # The policy allows no style of an element's own either.
        assert not names & {"src", "srcset", "style", "action", "formaction", "background"}
        assert not [name for name in names if name.startswith("on")]
        href = element.attributes.get("href") or ""
        assert re.fullmatch(r"(\.\./preferences/)?t|", href), "leads elsewhere"
    assert "url(" not in reader.all("style")[0].text
    assert "@import" not in reader.all("style")[0].text


@each_page
def test_a_page_has_a_language_a_main_part_and_one_heading_of_the_first_level(
    template: str, context: dict[str, Any]
) -> None:
    reader = read(template, context)
    assert reader.all("html")[0].attributes["lang"] == "en"
    assert len(reader.all("main")) == 1
    [title] = reader.all("title")
    [heading] = reader.all("h1")
    assert heading.text
    assert title.text.endswith(heading.text)
    levels = [int(each.tag[1]) for each in reader.all("h1", "h2", "h3")]
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    ids = [each.attributes["id"] for each in reader.elements if "id" in each.attributes]
    assert len(ids) == len(set(ids))


@each_page
def test_every_control_is_one_of_the_browser_and_has_a_label(
    template: str, context: dict[str, Any]
) -> None:
    reader = read(template, context)
    labelled = {each.attributes.get("for") for each in reader.all("label") if each.text.strip()}
    for control in reader.all("input", "select"):
        around = [each for each in control.within if each.tag == "label" and each.text.strip()]
        assert around or control.attributes["id"] in labelled
        assert any(each.tag == "form" for each in control.within)
    for button in reader.all("button", "a", "legend"):
        assert button.text.strip()
    for element in reader.elements:
        assert "tabindex" not in element.attributes
        assert element.attributes.get("role") in {None, "alert", "status"}
        described = element.attributes.get("aria-describedby")
        assert described in {None, *(each.attributes.get("id") for each in reader.elements)}


def test_each_subscription_is_a_group_of_its_own_with_what_it_is_about() -> None:
    reader = read("preferences", PREFERENCES)
    legends = [each.text.strip() for each in reader.all("legend")]
    assert legends[:4] == [
        "new products",
        "price drops of all products",
        "price drops of <script>alert(1)</script>",
        "the price of <script>alert(1)</script>, once it is 9.99 EUR or less",
    ]
    assert legends[-2] == "price drops of one product"
    assert len(reader.all("fieldset")) == len(legends) == len(ITEMS)
    chosen = [each.text for each in reader.all("option") if "selected" in each.attributes]
    assert chosen[:3] == ["At once", "Every day at 9", "Mondays at 9"]
    assert chosen[-1] == "Paris"


@each_page
def test_what_others_write_is_text(template: str, context: dict[str, Any]) -> None:
    content = bytes(page(template, **context).body).decode()
    assert "<script" not in content
    assert "&amp;lt;" not in content
    assert "&amp;#34;" not in content


def test_what_is_wrong_is_said_first_and_in_words() -> None:
    reader = read("preferences", PREFERENCES | {"wrong": ["end", "form", "frequency", "time_zone"]})
    [alert] = [each for each in reader.elements if each.attributes.get("role") == "alert"]
    for said in ("none of your subscriptions", "load it again", "frequencies", "time zone"):
        assert said in alert.text
    assert reader.all("title")[0].text.startswith("Not saved")


def test_the_policy_allows_the_one_style_and_no_other() -> None:
    [style] = read("page", {"state": "unknown"}).all("style")
    digest = b64encode(sha256(style.text.encode()).digest()).decode()
    policy = pages.HEADERS["Content-Security-Policy"]
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in policy


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_texts_and_edges_stand_out_as_much_as_level_aa_asks(scheme: int) -> None:
    style = (Path(pages.__file__).parents[1] / "templates/pages/page.css").read_text()
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for ground in (colours["ground"], colours["card"]):
        for name in ("text", "quiet", "accent", "accent-over"):
            assert contrast(colours[name], ground) >= 4.5, name
        for name in ("edge", "bad", "good"):
            assert contrast(colours[name], ground) >= 3, name
    for button in ("accent", "accent-over"):
        assert contrast(colours["on-accent"], colours[button]) >= 4.5, button


def test_a_target_is_written_with_the_decimals_of_its_currency() -> None:
    assert target_text(129_900, "EUR") == "1,299.00 EUR"
    assert target_text(1_500, "JPY") == "1,500 JPY"
    assert target_text(None, None) is None


TEMPLATES = sorted((Path(pages.__file__).parents[1] / "templates/pages").glob("*.j2"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_gettext_reaches_every_text(path: Path) -> None:
    source = path.read_text()
    for told in (r"\{#.*?#\}", r"\{% trans .*?endtrans %\}", r"\{%.*?%\}", r"\{\{.*?\}\}"):
        source = re.sub(told, "", source, flags=re.DOTALL)
    assert not re.search(r"\w", re.sub(r"<[^>]*>", "", source))
