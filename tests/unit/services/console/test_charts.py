"""Charts."""

from datetime import UTC, datetime, timedelta

from services.console.charts import Point, bars, line

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = {"since": NOON - timedelta(hours=1), "until": NOON}


def at(minutes: float, value: float) -> Point:
    return Point(NOON - timedelta(minutes=minutes), value)


def test_a_line_is_as_high_as_its_highest_value() -> None:
    drawn = line([at(0.5, 10.0), at(0.25, 0.0)], title="t", **HOUR)
    assert 'd="M317.3 2.0 L318.7 70.0"' in drawn


def test_a_line_has_a_gap_where_nothing_is_known() -> None:
    drawn = line([at(30, 1.0), at(20, 1.0)], title="t", **HOUR)
    assert drawn.count("M") == 2


def test_a_chart_without_values_is_an_empty_picture() -> None:
    assert "<path" not in line([], title="t", **HOUR)
    assert "<rect" not in bars([], title="t")


def test_names_are_escaped() -> None:
    drawn = bars([("<b>", 3)], title='a "title"')
    assert "<title>&lt;b&gt;: 3</title>" in drawn
    assert 'aria-label="a &#34;title&#34;"' in drawn
