from pathlib import Path

from tools.schemas import DOCS, stale, write


def test_the_committed_schemas_are_current() -> None:
    assert stale(DOCS) == []


def test_what_is_missing_changed_or_left_over_is_stale_until_it_is_written(tmp_path: Path) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []

    (tmp_path / "asyncapi.json").unlink()
    (tmp_path / "schemas" / "catalog.product.viewed.v1.json").write_text("{}")
    (tmp_path / "schemas" / "catalog.product.sold.v1.json").write_text("{}")

    assert [path.name for path in stale(tmp_path)] == [
        "asyncapi.json",
        "catalog.product.sold.v1.json",
        "catalog.product.viewed.v1.json",
    ]
    write(tmp_path)
    assert stale(tmp_path) == []
