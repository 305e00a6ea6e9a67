"""Redriving and discarding, from the page."""

import re
import sqlite3
from contextlib import closing

from playwright.sync_api import expect

from heliograph.events import encode, headers_to_json
from tests.browser.conftest import Site
from tests.browser.window import Window
from tests.programs import eventually
from tests.samples import event, product


def park(site: Site, name: str, reason: str) -> int:
    """Set an event aside in the notifier's inbox, as its worker does in the end; returns its id."""
    message = encode(event(product(name=name), signal="pre_delete"))
    with closing(sqlite3.connect(site.folder / "var/notifier.db", timeout=10)) as database:
        added = database.execute(
            "INSERT INTO inbox (receiver, event_id, subject, routing_key, headers, body, state,"
            " attempts, reason, due_at, received_at)"
            " SELECT 'purge_images', ?, ?, ?, ?, ?, 'parked', 8, ?, now, now"
            " FROM (SELECT strftime('%Y-%m-%d %H:%M:%S.000000') AS now)",
            (
                message.id,
                message.headers["ce-subject"],
                message.routing_key,
                headers_to_json(message.headers),
                message.body,
                reason,
            ),
        )
        database.commit()
        assert added.lastrowid is not None
        return added.lastrowid


def state(site: Site, row: int) -> str:
    with closing(sqlite3.connect(site.folder / "var/notifier.db", timeout=10)) as database:
        [[found]] = database.execute("SELECT state FROM inbox WHERE id = ?", (row,))
        return str(found)


def test_a_parked_event_is_found_and_redriven(site: Site, signed_in: Window) -> None:
    row = park(site, "Oak table", "StoreUnavailable: the store <b>was</b> away")
    page = signed_in.go("/")
    page.get_by_role("link", name="Parked").click()
    group = page.get_by_role("main")
    expect(group).to_contain_text("StoreUnavailable: the store <b>was</b> away")
    page.locator(f'a[href="/parked/notifier/inbox/{row}"]').first.click()
    expect(page.get_by_role("main")).to_contain_text("Oak table")
    page.get_by_role("button", name=re.compile("^Redrive")).first.click()
    # A question comes first, and nothing is done yet.
    expect(page.get_by_role("heading", level=1)).to_contain_text("edrive")
    assert state(site, row) == "parked"
    page.get_by_role("button", name=re.compile("^Redrive")).first.click()
    expect(page.get_by_role("main")).to_contain_text(re.compile("Redriven: 1 event"))
    eventually("done", lambda: state(site, row) == "done")


def test_a_parked_event_is_discarded(site: Site, signed_in: Window) -> None:
    row = park(site, "Old chair", "ValueError: nothing to be done")
    page = signed_in.go(f"/parked/notifier/inbox/{row}")
    page.get_by_role("button", name=re.compile("^Discard")).first.click()
    page.get_by_role("button", name=re.compile("^Discard")).first.click()
    expect(page.get_by_role("main")).to_contain_text(re.compile("Discarded: 1 event"))
    assert state(site, row) == "discarded"
