import pytest

from heliograph.errors import MissingCollaborator
from heliograph.signals import Collaborators


class Store:
    """Somebody's."""


def test_what_is_handed_in_later_is_made_once_and_when_somebody_asks() -> None:
    made: list[Store] = []

    def make() -> Store:
        made.append(Store())
        return made[-1]

    of_service = Collaborators()
    of_service.add_later(Store, make)
    of_session = Collaborators({}, of_service)
    assert Store in of_session
    assert made == []
    assert of_session[Store] is of_session.find(Store) is of_service[Store]
    assert len(made) == 1


def test_what_cannot_be_made_now_is_made_for_the_next_who_asks() -> None:
    answers = iter([OSError("no directory"), None])

    def make() -> Store:
        if (error := next(answers)) is not None:
            raise error
        return Store()

    collaborators = Collaborators()
    collaborators.add_later(Store, make)
    with pytest.raises(OSError, match="no directory"):
        collaborators[Store]
    assert isinstance(collaborators[Store], Store)


def test_what_nobody_hands_in_is_named_or_none() -> None:
    collaborators = Collaborators({}, Collaborators())
    assert collaborators.find(Store) is None
    with pytest.raises(MissingCollaborator, match="nobody hands in a Store"):
        collaborators[Store]
