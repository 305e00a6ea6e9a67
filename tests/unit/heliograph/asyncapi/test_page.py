"""The page of the events."""

import re
from html.parser import HTMLParser

import pytest

from heliograph.asyncapi import STYLE, page
from tests.unit.heliograph.asyncapi.test_document import DOCUMENTS, store

VOID = {"meta", "link", "wbr", "br"}


class Reader(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, written: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(written)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found[name] or "" for name in ("href", "src") if name in found]
        assert not any(name.startswith("on") or name == "style" for name in found)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_one_place_and_nothing_comes_from_elsewhere(name: str) -> None:
    read = Reader(page(DOCUMENTS[name]))
    assert len(read.ids) == len({*read.ids})
    outside = {each for each in read.links if not each.startswith("#")}
    assert outside == {"asyncapi/page.css", "asyncapi.json"}
    assert {each[1:] for each in read.links if each.startswith("#")} <= {*read.ids}
    assert "script" not in read.tags
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_an_event_has_its_key_type_headers_body_example_and_queue() -> None:
    written = page(DOCUMENTS["catalog"])
    article = re.search(
        r'<article id="event-catalog.product.viewed.v1">.*?</article>', written, re.DOTALL
    )
    assert article is not None
    text = Reader(article[0]).text
    for told in (
        *("catalog.product.viewed", "catalog.product.viewed.v1", "catalog.events"),
        *("ce-subject", "viewed_at", "time", '"viewer": "user-7"', "catalog.record_views"),
    ):
        assert told in text


def test_a_service_that_announces_and_hears_nothing_says_so() -> None:
    text = Reader(page(DOCUMENTS["nobody"])).text
    assert "This service announces nothing." in text
    assert "This service hears nothing." in text


def test_what_a_service_says_of_itself_is_text_and_no_markup() -> None:
    document = store()
    document["info"] |= {"title": "<script>", "description": "`<b>` & \"'<img src=x>"}
    read = Reader(page(document))
    assert read.tags.isdisjoint({"script", "b", "img"})
    assert "<b> & \"'<img src=x>" in read.text
