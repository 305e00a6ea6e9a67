"""Programs in other languages, with types that tools made of our documents, read our events."""

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from heliograph.testing import Announcement
from tests.consumers.generated.account import account
from tests.consumers.generated.story import later
from tests.consumers.generated.toolchains import HERE, run
from tools.schemas import DOCS

DOCUMENT = DOCS / "asyncapi.json"
SCHEMAS = sorted(set(DOCS.glob("schemas/*.json")) - set(DOCS.glob("schemas/*.headers.json")))
PROGRAMS = HERE / "programs"
QUICKTYPE_SOURCES = {
    "asyncapi": [f"{DOCUMENT}#/components/schemas/"],
    "schemas": [str(path) for path in SCHEMAS],
}
PYDANTIC_SOURCES = {"asyncapi": DOCUMENT, "jsonschema": DOCS / "schemas"}

Event = tuple[str, str]
"""Its type and its body."""


@pytest.fixture(scope="session")
def events(announcements: list[Announcement]) -> list[Event]:
    """Every event of the story, then each as a later release might announce it."""
    today = [(each.headers["ce-type"], each.content.decode()) for each in announcements]
    return [*today, *((type_, json.dumps(later(json.loads(body)))) for type_, body in today)]


def expected(events: list[Event]) -> list[str]:
    return [account(json.loads(body)) for _, body in events]


def answers(program: list[str], folder: Path, events: list[Event]) -> list[str]:
    lines = "".join(f"{type_}\t{body}\n" for type_, body in events)
    return run(program, folder, lines).splitlines()


@pytest.fixture
def folder(tmp_path: Path, node_modules: Path) -> Path:
    """Where types are made and a program is compiled beside them."""
    (tmp_path / "node_modules").symlink_to(node_modules)
    return tmp_path


def copied(folder: Path, *names: str) -> None:
    for name in names:
        shutil.copy(PROGRAMS / name, folder)


def modelina(language: str, folder: Path) -> None:
    copied(folder, "modelina.mjs")
    run(["node", "modelina.mjs", language, str(DOCUMENT), "events"], folder)
    # It numbers the types that have no name, otherwise in each edition of a document.
    assert not list(folder.glob("events/Anonymous*"))


def compiled(name: str, folder: Path) -> list[str]:
    """Compile a program of TypeScript with the types that it uses; return how it is run."""
    copied(folder, "account.ts", f"{name}.ts", "tsconfig.json")
    run(["node", "node_modules/typescript/bin/tsc"], folder)
    return ["node", f"{name}.js"]


def test_the_story_has_every_event_that_is_described(events: list[Event]) -> None:
    assert sorted({type_ for type_, _ in events}) == [path.stem for path in SCHEMAS]


def test_typescript_by_modelina(folder: Path, events: list[Event]) -> None:
    modelina("typescript", folder)
    program = compiled("modelina", folder)
    assert answers(program, folder, events) == expected(events)


@pytest.mark.parametrize("source", QUICKTYPE_SOURCES)
def test_typescript_by_quicktype(folder: Path, events: list[Event], source: str) -> None:
    options = ["--lang", "typescript", "--src-lang", "schema", "--out", "events.ts"]
    run(["node_modules/.bin/quicktype", *options, *QUICKTYPE_SOURCES[source]], folder)
    program = compiled("quicktype", folder)
    assert answers(program, folder, events) == expected(events)


def test_java_by_modelina(folder: Path, jackson: str, events: list[Event]) -> None:
    modelina("java", folder)
    copied(folder, "Reader.java")
    sources = ["Reader.java", *(str(path) for path in folder.glob("events/*.java"))]
    run(["javac", "-encoding", "UTF-8", "-cp", jackson, "-d", "classes", *sources], folder)
    program = ["java", "-cp", f"{jackson}:classes", "Reader"]
    assert answers(program, folder, events) == expected(events)


@pytest.mark.parametrize("source", PYDANTIC_SOURCES)
def test_pydantic_by_datamodel_codegen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[Event], source: str
) -> None:
    package = f"of_{source}"
    output = tmp_path / (package if source == "jsonschema" else f"{package}.py")
    run(
        [
            *(sys.executable, "-m", "datamodel_code_generator", "--formatters", "builtin"),
            *("--input", str(PYDANTIC_SOURCES[source]), "--input-file-type", source),
            *("--output", str(output), "--output-model-type", "pydantic_v2.BaseModel"),
        ],
        tmp_path,
    )
    monkeypatch.syspath_prepend(tmp_path)

    def read(type_: str, body: str) -> dict[str, Any]:
        module = package if source == "asyncapi" else f"{package}.{type_.replace('.', '_')}"
        _, sender, signal, _ = type_.split(".")
        name = "".join(word.capitalize() for word in (sender, *signal.split("_")))
        model = getattr(import_module(module), name).model_validate_json(body)
        read: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
        return read

    assert [account(read(*each)) for each in events] == expected(events)
