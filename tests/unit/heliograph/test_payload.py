import pytest
from pydantic import ValidationError

from heliograph.payload import UNKNOWN_TOLD, Payload


class Lamp(Payload):
    name: str
    watts: int = 5


def test_what_is_known_is_taken() -> None:
    assert Lamp.model_validate({"name": "Lamp", "watts": 7}) == Lamp(name="Lamp", watts=7)
    assert Lamp.model_validate({"name": "Lamp"}).model_fields_set == {"name"}


def test_each_of_a_few_unknown_keys_is_told() -> None:
    with pytest.raises(ValidationError) as told:
        Lamp.model_validate({"name": "Lamp", "colour": "red", "size": 3})

    assert [each["loc"] for each in told.value.errors()] == [("colour",), ("size",)]


def test_of_many_unknown_keys_the_first_are_told_and_what_else_is_wrong() -> None:
    with pytest.raises(ValidationError) as told:
        Lamp.model_validate({f"k{number}": 1 for number in range(100_000)} | {"watts": "many"})

    found = {each["loc"][0]: each["type"] for each in told.value.errors()}
    assert found.pop("name") == "missing"
    assert found.pop("watts") == "int_parsing"
    assert found == {f"k{number}": "extra_forbidden" for number in range(UNKNOWN_TOLD)}


@pytest.mark.parametrize("value", [[], "text", None, 5])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        Lamp.model_validate(value)
