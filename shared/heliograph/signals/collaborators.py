"""What receivers are handed in, by type: a session, a mailer, an image store."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

from heliograph.errors import Misregistered, MissingCollaborator

T = TypeVar("T")


class Collaborators:
    """Objects by their type; a child adds to what its parent holds.

    A subclass's object also answers for the base class or protocol under which it was
    registered, and for no other: what a receiver gets never depends on a guess.
    """

    def __init__(
        self, objects: Mapping[type, object] | None = None, parent: "Collaborators | None" = None
    ) -> None:
        self._objects: dict[type, Any] = dict(objects or {})
        self._makers: dict[type, Callable[[], Any]] = {}
        self._parent = parent

    def __getitem__(self, kind: type[T]) -> T:
        if kind not in self._objects and kind in self._makers:
            self._objects[kind] = self._makers[kind]()
        if kind in self._objects:
            found: T = self._objects[kind]
            return found
        if self._parent is None:
            raise MissingCollaborator(f"nobody hands in a {kind.__name__}")
        return self._parent[kind]

    def find(self, kind: type[T]) -> T | None:
        """Return the object, or None if nobody hands one in."""
        if kind not in self:
            return None
        return self[kind]

    def __contains__(self, kind: type) -> bool:
        return (
            kind in self._objects
            or kind in self._makers
            or (self._parent is not None and kind in self._parent)
        )

    def add(self, kind: type, value: object) -> None:
        self._objects[kind] = value

    def add_later(self, kind: type, make: Callable[[], object]) -> None:
        """Hand in what `make` gives, which is called when somebody first asks.

        If it fails, whoever asked has failed, and the next who asks calls it again.
        """
        self._makers[kind] = make


NOBODY = Collaborators()


def needs(function: Callable[..., Any]) -> tuple[type, ...]:
    """List the types of what a receiver asks for after its event, in order."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if (
        not parameters
        or parameters[0].name == "sender"
        # They stand in the order of their kinds: behind these are those with a star.
        or parameters[-1].kind > inspect.Parameter.POSITIONAL_OR_KEYWORD
    ):
        raise Misregistered(
            f"{function.__qualname__}{signature} cannot be called: a receiver is given one event,"
            " and by type what it asks for besides. Write"
            f" async def {function.__name__}(event: Event[Product], session: Session), without the"
            " session if it needs none: event.sender, event.instance and event.created are what"
            " Django hands over by name"
        )
    if len(parameters) == 1:
        return ()
    hints = get_type_hints(function)
    found = []
    for parameter in parameters[1:]:
        kind = hints.get(parameter.name)
        if not isinstance(kind, type):
            raise Misregistered(
                f"{function.__qualname__}: {parameter.name} needs a class as its annotation"
            )
        found.append(kind)
    return tuple(found)
