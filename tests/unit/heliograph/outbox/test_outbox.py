import json
from collections import Counter
from uuid import UUID

from heliograph.outbox import PARTITIONS, encode_all
from heliograph.outbox.table import BACKGROUND
from tests.samples import event, product


def test_events_of_one_change_are_numbered_in_their_order() -> None:
    lamp, chair = product(version=4), product()
    rows = encode_all(
        [
            event(lamp, signal="pre_save"),
            event(chair, signal="pre_save"),
            event(lamp),
            event(lamp, version=5, signal="pre_delete"),
        ]
    )
    sequences = [json.loads(row[5])["ce-subjectsequence"] for row in rows]
    assert sequences == [
        "000000000004.0000", "000000000001.0000", "000000000004.0001", "000000000005.0000",
    ]  # fmt: skip


def test_a_subject_keeps_its_partition_and_subjects_spread() -> None:
    found: Counter[int] = Counter()
    for number in range(800):
        lamp = product(id=UUID(int=number))
        [created, changed] = encode_all([event(lamp), event(lamp, version=2)])
        assert created[0] == changed[0]
        found[created[0]] += 1
    assert set(found) == set(range(PARTITIONS))
    assert min(found.values()) > 50


def test_events_without_an_order_wait_behind_the_others() -> None:
    [row] = encode_all([event(version=None)])
    assert row[0] == BACKGROUND
