"""What is read from the metrics of a service."""

import pytest

from services.console.figures import Waiting, read_figures

METRICS = """\
# TYPE outbox_rows gauge
outbox_rows 7.0
# TYPE outbox_oldest_seconds gauge
outbox_oldest_seconds 2.5
# TYPE outbox_parked_rows gauge
outbox_parked_rows 5.0
# TYPE inbox_rows gauge
inbox_rows{receiver="purge_images",state="parked"} 2.0
inbox_rows{receiver="purge_images",state="held"} 3.0
inbox_rows{receiver="email_new_product",state="done"} 40.0
inbox_rows{receiver="email_new_product",state="pending"} 1.0
# TYPE inbox_oldest_seconds gauge
inbox_oldest_seconds{receiver="purge_images"} 12.0
"""


def test_what_waits_is_told_by_place() -> None:
    assert read_figures(METRICS).waiting == (
        Waiting("outbox", pending=7, parked=5, oldest_seconds=2.5),
        Waiting("email_new_product", pending=1),
        Waiting("purge_images", held=3, parked=2, oldest_seconds=12.0),
    )


def test_samples_add_places_up() -> None:
    assert dict(read_figures(METRICS).samples()) == {
        "outbox": 7,
        "outbox_oldest": 2.5,
        "inbox": 4,
        "parked": 7,
        "inbox_oldest": 12.0,
    }


def test_a_service_without_an_outbox_has_no_sample_of_one() -> None:
    assert dict(read_figures("").samples()) == {}


def test_what_is_no_metrics_is_refused() -> None:
    with pytest.raises(ValueError, match="html"):
        read_figures("<html>not found</html>")
