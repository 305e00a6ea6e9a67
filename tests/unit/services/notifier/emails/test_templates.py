import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import nodes

from heliograph import InvalidSetting
from heliograph.settings import load
from services.notifier.emails.composer import Composer
from services.notifier.emails.facts import Facts
from services.notifier.emails.samples import BrokenTemplate, sample_letters, try_templates
from services.notifier.emails.templates import Templates, environment
from services.notifier.service import composer_of
from services.notifier.settings import NotifierSettings
from tests.unit.services.notifier.emails.conftest import (
    MAIL_FROM,
    PUBLIC_URL,
    SECRET,
    a_letter,
    a_product,
    ada,
    an_item,
    parsed,
    part,
)

OURS = environment().list_templates()
NEW = Facts(kind="new_product", items=(an_item(),))


def composer(folder: Path) -> Composer:
    return Composer(MAIL_FROM, PUBLIC_URL, templates=folder)


def test_our_own_templates_can_all_be_rendered() -> None:
    try_templates(Composer(MAIL_FROM, PUBLIC_URL))


def test_there_is_a_sample_of_each_kind_that_can_be_sent() -> None:
    kinds = set()
    for facts, letter in sample_letters(Composer(MAIL_FROM, PUBLIC_URL)):
        assert letter.to(ada(secret=SECRET)).content
        kinds.add(facts.kind)
    assert kinds == {"new_product", "price_drop", "digest", "confirmation"}


def test_a_file_of_theirs_replaces_ours_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "new_product.txt.j2").write_text(
        "Look: {{ items[0].name }}\n{{ unsubscribe_url }}\n"
    )
    try_templates(composer(tmp_path))
    preview = a_letter(NEW, by=composer(tmp_path)).preview(ada())
    assert preview.text.startswith("Look: Aeron Chair\n")
    assert "New in the catalog" in preview.html


@pytest.mark.parametrize(
    ("template", "content", "told"),
    [
        ("price_drop.html.j2", "<p>\n{% if %}", r"^price_drop\.html\.j2, line 2: Expected"),
        ("digest.txt.j2", "\n\n{{ nope }}", r"^digest\.txt\.j2, line 3: 'nope' is undefined"),
        ("confirmation.txt.j2", "{{ 1 / 0 }}", r"^confirmation\.txt\.j2, line 1: division by zero"),
        (
            "new_product.html.j2",
            "{% include 'x.j2' %}",
            r"^new_product\.html\.j2, line 1: 'x\.j2' not found",
        ),
        ("products.html.j2", "{% macro %}", r"^products\.html\.j2, line 1: "),
        ("new_product.txt.j2", "Hello", r"^new_product\.txt\.j2: lacks \{\{ unsubscribe_url \}\}"),
        ("confirmation.html.j2", "Hello", r"^confirmation\.html\.j2: lacks \{\{ confirm_url \}\}"),
        (
            "digest.html.j2",
            "{{ unsubscribe_url }}" + "x" * 70_000,
            r"^digest: the email has more than 70,000 bytes",
        ),
        ("digest.txt.j2", "{{ unsubscribe_url }}{{ '\\r' }}", r"^digest: a line ends with CRLF"),
        ("digest.txt.j2", "{{ unsubscribe_url }}{{ '\\0' }}", r"^digest: an email has no NUL"),
    ],
)
def test_a_broken_template_is_told_with_its_file_and_line(
    tmp_path: Path, template: str, content: str, told: str
) -> None:
    (tmp_path / template).write_text(content)
    with pytest.raises(BrokenTemplate, match=told) as caught:
        try_templates(composer(tmp_path))
    assert len(str(caught.value).splitlines()) == 1
    settings = load(NotifierSettings, {"NOTIFIER_TEMPLATES": str(tmp_path)})
    with pytest.raises(InvalidSetting, match="^NOTIFIER_TEMPLATES: " + told.removeprefix("^")):
        composer_of(settings)


def test_a_template_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "digest.txt.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(BrokenTemplate, match=r"^digest: .utf-8"):
        try_templates(composer(tmp_path))


def test_no_template_can_add_a_header_or_a_part(tmp_path: Path) -> None:
    (tmp_path / "new_product.txt.j2").write_bytes(
        b"Bcc: eve@example.org\r\n\r\n--=_heliograph\r\nContent-Type: text/html\r\n\r\nx\r\n"
        b"--=_heliograph--\r\n{{ unsubscribe_url }}\r\n"
    )
    try_templates(composer(tmp_path))
    content = a_letter(NEW, by=composer(tmp_path)).to(ada()).content
    message = parsed(content)
    assert message["Bcc"] is None
    assert [each.get_content_type() for each in message.iter_parts()] == ["text/plain", "text/html"]
    assert "--=_heliograph\n" in part(message, "plain")


def test_words_of_strangers_are_escaped_in_whatever_file_of_theirs(tmp_path: Path) -> None:
    (tmp_path / "new_product.html.j2").write_text("{% include 'head.html' %}{{ unsubscribe_url }}")
    (tmp_path / "head.html").write_text("<b>{{ items[0].name }}</b>")
    letter = a_letter(NEW, a_product(name="<script>"), by=composer(tmp_path))
    assert "<b>&lt;script&gt;</b>" in letter.html


class Literal(HTMLParser):
    """The words of a template that a reader would see and no language could replace."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words = ""
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.words += "".join(value or "" for name, value in attrs if name in {"alt", "title"})

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words += data


@pytest.mark.parametrize("name", OURS)
def test_every_word_of_a_template_can_be_translated(name: str) -> None:
    loader = environment().loader
    assert loader is not None
    source, _, _ = loader.get_source(environment(), name)
    tree = environment().parse(source)
    literal = "".join(each.data for each in tree.find_all(nodes.TemplateData))
    words = Literal(literal).words if name.endswith(".html.j2") else literal
    assert re.findall(r"[^\W\d_]+", words) == []


def test_tools_can_extract_what_is_to_be_translated() -> None:
    found = set()
    for name in OURS:
        loader = environment().loader
        assert loader is not None
        source, _, _ = loader.get_source(environment(), name)
        # Set by the extension, which nobody's types know.
        extract = environment().extract_translations  # type: ignore[attr-defined]
        found |= {text for _, _, text in extract(source)}
    assert {"Price drop: %(name)s", "See the product", "Unsubscribe:", "and %(more)s more"} <= found


def test_a_language_of_another_shape_reaches_the_templates() -> None:
    from tests.unit.services.notifier.emails.test_words import Shouted  # noqa: PLC0415

    context = {"wish": "x", "recipient": "r", "confirm_url": "c", "hours": 48}
    assert "Please confirm!" in Templates(Shouted()).text("confirmation", context)
