"""`make demo`: the story for those who want to watch."""

from pathlib import Path

from tests.programs import command


def test_the_demo_plays_every_step_and_exits_with_0(tmp_path: Path) -> None:
    # It has an instance of its own, whatever the settings are.
    played = command(tmp_path, "tools.demo", settings={"CATALOG_BUS_URL": "amqp://nowhere"})
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stderr == ""
    for said in (
        "catalog.product.pre_save",
        "email  to second@example.com: New: Desk lamp",
        "email  to first@example.com: Price drop: Desk lamp now 14.99 EUR (was 24.99 EUR)",
        "email  to first@example.com: Price drop: Desk lamp now 9.99 EUR (was 14.99 EUR)",
        "views  3 in all, user-7 2",
        "answer 409 Counterfeits are not sold here.",
        "catalog.product.post_delete",
        "file   - ",
    ):
        assert said in played.stdout
    assert "now 12.99" not in played.stdout
    assert "New: Slip" not in played.stdout
    assert list(tmp_path.iterdir()) == []
