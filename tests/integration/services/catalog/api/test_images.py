import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, insert, select, update

import contracts
from heliograph import Event, Refused, post_delete, pre_delete, pre_save
from heliograph.database import Session, database_now
from heliograph.database.guard import ALLOWED
from heliograph.events import new_id
from heliograph.storage import StoreUnavailable
from services.catalog import models
from services.catalog.images.darkroom import MAX_BYTES
from services.catalog.images.sweeper import Sweeper
from services.catalog.repositories.images import ImageRepository
from services.catalog.service import Catalog
from tests import pictures
from tests.integration.services.catalog.conftest import (
    MISSING,
    announced,
    create,
    is_problem,
    keys,
    listening,
    stored,
)
from tests.pictures import constructed
from tests.servers.s3 import S3


# Every database and every store once: each is where the other makes no difference.
@pytest.fixture(
    params=[
        ("sqlite_url", "directory"),
        pytest.param(("postgres_url", "directory"), marks=pytest.mark.postgresql),
        ("sqlite_url", "bucket"),
    ],
    ids="-".join,
)
def places(request: pytest.FixtureRequest) -> tuple[str, str]:
    database, store = request.param
    return request.getfixturevalue(database), request.getfixturevalue(store)


sqlite_suffices = pytest.mark.parametrize(
    "places", [("sqlite_url", "directory"), ("sqlite_url", "bucket")], indirect=True, ids="-".join
)
"""As in `tests.databases`."""


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return (tmp_path / "images").as_uri()


@pytest.fixture
def bucket(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{s3_server.new_bucket()}"


@pytest.fixture
def database_url(places: tuple[str, str]) -> str:
    return places[0]


@pytest.fixture
def image_store_url(places: tuple[str, str]) -> str:
    return places[1]


async def upload(
    client: httpx2.AsyncClient, url: str, data: bytes, name: str = "lamp.png", **fields: str
) -> httpx2.Response:
    files = {"file": (name, data, "application/octet-stream")}
    return await client.post(url, files=files, data=fields)


async def intents(catalog: Catalog) -> int:
    async with catalog.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(models.ImageIntent)) or 0


@pytest.fixture
async def url(client: httpx2.AsyncClient) -> str:
    """Where a product's images are added."""
    product = await create(client)
    return f"/v1/products/{product['id']}/images"


async def test_an_uploaded_image_is_stored_shown_and_announced(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    answer = await upload(client, url, pictures.png(640, 480))

    image = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"https://catalog.example{url}/{image['id']}"
    assert (image["content_type"], image["width"], image["height"]) == ("image/png", 640, 480)
    assert image["url"] == f"https://catalog.example/v1/images/{image['key']}"
    sizes = {each["name"]: (each["width"], each["height"]) for each in image["variants"]}
    assert sizes == {"thumbnail": (320, 240), "preview": (640, 480)}
    assert await stored(catalog) == keys(image)
    assert await intents(catalog) == 0
    *_, before, after = await announced(catalog)
    assert [before.key, after.key] == ["catalog.image.pre_save", "catalog.image.post_save"]
    assert [before.sequence, after.sequence] == ["000000000002.0000", "000000000002.0001"]
    assert after.headers["ce-subject"] == image["product_id"]
    assert after.body["instance"] == image
    assert after.body["actor"] == "user-7"


async def test_images_are_listed_and_read_with_their_product(
    client: httpx2.AsyncClient, url: str
) -> None:
    first = (await upload(client, url, pictures.jpeg())).json()
    second = (await upload(client, url, pictures.webp())).json()

    product = (await client.get(url.removesuffix("/images"))).json()

    assert product["version"] == 3
    assert [each["key"] for each in product["images"]] == [first["key"], second["key"]]
    assert (await client.get(url)).json() == {"items": [first, second]}
    assert (await client.get(f"{url}/{second['id']}")).json() == second
    is_problem(await client.get(f"{url}/{product['id']}"), 404)
    is_problem(await client.get(f"{MISSING}/images"), 404)
    is_problem(await client.get(f"{MISSING}/images/{first['id']}"), 404)


async def test_an_image_tells_what_it_shows(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    image = (await upload(client, url, pictures.png(8, 8), alt=" A lamp ")).json()
    silent = (await upload(client, url, pictures.png(8, 8))).json()
    path = f"{url}/{image['id']}"

    changed = await client.patch(path, json={"alt": "A lamp on a desk"})

    assert (image["alt"], silent["alt"]) == ("A lamp", "")
    assert changed.status_code == 200
    assert changed.json() == image | {"alt": "A lamp on a desk"} == (await client.get(path)).json()
    product = (await client.get(url.removesuffix("/images"))).json()
    assert product["version"] == 4
    *_, before, after = await announced(catalog)
    assert [before.key, after.key] == ["catalog.image.pre_save", "catalog.image.post_save"]
    assert [before.sequence, after.sequence] == ["000000000004.0000", "000000000004.0001"]
    for event in (before, after):
        assert event.body["original"] == image
        assert event.body["changes"] == {"alt": {"from": "A lamp", "to": "A lamp on a desk"}}
    assert (await client.patch(path, json={"alt": None})).json()["alt"] == ""


async def test_the_image_at_position_0_is_the_main_one(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    ids = [(await upload(client, url, pictures.png(8, 8))).json()["id"] for _ in range(4)]
    await client.delete(f"{url}/{ids.pop(1)}")

    async def order() -> list[str]:
        return [each["id"] for each in (await client.get(url)).json()["items"]]

    async def move(index: int, position: int) -> int:
        answer = await client.patch(f"{url}/{ids[index]}", json={"position": position})
        assert answer.status_code == 200, answer.text
        place: int = answer.json()["position"]
        return place

    assert await move(2, 0) == 0
    assert await order() == [ids[2], ids[0], ids[1]]
    product = (await client.get(url.removesuffix("/images"))).json()
    assert [each["id"] for each in product["images"]] == await order()
    events = [each for each in await announced(catalog) if each.body["instance"].get("position")]
    last = events[-1]
    assert (last.signal, last.body["changes"].keys()) == ("post_save", {"position"})
    assert await move(2, 1) == 1
    assert await order() == [ids[0], ids[2], ids[1]]
    assert await move(0, 9_999) == 2
    assert await order() == [ids[2], ids[1], ids[0]]


async def test_a_change_of_an_image_that_changes_nothing_announces_nothing(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    image = (await upload(client, url, pictures.png(8, 8), alt="A lamp")).json()
    events = await announced(catalog)

    for patch in ({}, {"alt": "A lamp"}, {"position": 0}):
        assert (await client.patch(f"{url}/{image['id']}", json=patch)).json() == image

    assert await announced(catalog) == events
    assert (await client.get(url.removesuffix("/images"))).json()["version"] == 2


async def test_a_receiver_may_refuse_or_take_back_a_change_of_an_image(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    image = (await upload(client, url, pictures.png(8, 8), alt="A lamp")).json()
    events = await announced(catalog)

    def refuse(event: Event[models.Image]) -> None:
        raise Refused("the picture stays as it is")

    def take_back(event: Event[models.Image]) -> None:
        event.instance.alt = "A lamp"

    with listening(pre_save, refuse, models.Image):
        answer = await client.patch(f"{url}/{image['id']}", json={"alt": "A torch"})
        assert is_problem(answer, 409)["detail"] == "the picture stays as it is"
    with listening(pre_save, take_back, models.Image):
        answer = await client.patch(f"{url}/{image['id']}", json={"alt": "A torch"})
        assert answer.json() == image

    assert await announced(catalog) == events
    assert (await client.get(url.removesuffix("/images"))).json()["version"] == 2


@sqlite_suffices
async def test_a_change_of_an_image_that_cannot_be_is_a_problem(
    client: httpx2.AsyncClient, url: str
) -> None:
    image = (await upload(client, url, pictures.png(8, 8))).json()

    for patch in (
        {"alt": "x" * 301}, {"alt": "two\nlines"}, {"alt": 1}, {"position": None},
        {"position": -1}, {"position": 2**63}, {"position": "1"}, {"position": True}, {"key": "x"},
    ):  # fmt: skip
        is_problem(await client.patch(f"{url}/{image['id']}", json=patch), 422)
    is_problem(await client.patch(f"{MISSING}/images/{image['id']}", json={}), 404)
    is_problem(await client.patch(f"{url}/{url.split('/')[3]}", json={"alt": ""}), 404)
    wrong = is_problem(await upload(client, url, pictures.png(8, 8), alt="x" * 301), 422)
    assert wrong["errors"][0]["pointer"] == "#/alt"
    assert len((await client.get(url)).json()["items"]) == 1


async def test_a_deleted_image_is_announced_and_its_files_are_left_to_who_hears_it(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    image = (await upload(client, url, pictures.png())).json()

    answer = await client.delete(f"{url}/{image['id']}")

    assert answer.status_code == 204
    assert (await client.get(url)).json() == {"items": []}
    is_problem(await client.delete(f"{url}/{image['id']}"), 404)
    *_, before, after = await announced(catalog)
    assert [before.key, after.key] == ["catalog.image.pre_delete", "catalog.image.post_delete"]
    assert [before.sequence, after.sequence] == ["000000000003.0000", "000000000003.0001"]
    assert after.body["instance"] == image
    assert await stored(catalog) == keys(image)


async def test_a_deleted_product_announces_its_images_before_itself(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    images = [(await upload(client, url, pictures.png())).json() for _ in range(2)]

    assert (await client.delete(url.removesuffix("/images"))).status_code == 204

    events = (await announced(catalog))[-6:]
    assert [each.key for each in events] == [
        "catalog.image.pre_delete", "catalog.image.pre_delete",
        "catalog.image.post_delete", "catalog.image.post_delete",
        "catalog.product.pre_delete", "catalog.product.post_delete",
    ]  # fmt: skip
    assert [each.sequence for each in events] == [f"000000000004.{place:04d}" for place in range(6)]
    assert len({each.headers["ce-subject"] for each in events}) == 1
    assert [each.body["instance"] for each in events[:4]] == images * 2
    assert [each.body["cascade"] for each in events] == ["catalog.product"] * 4 + [None] * 2
    assert events[0].event(contracts.Image).cascade == "catalog.product"
    for each in events[4:]:
        assert [image["key"] for image in each.body["instance"]["images"]] == [
            image["key"] for image in images
        ]
    async with catalog.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(models.Image)) == 0


async def test_receivers_of_images_hear_of_a_product_that_is_deleted_and_may_refuse(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    image = (await upload(client, url, pictures.png())).json()
    heard: list[tuple[str, bool]] = []

    async def keep(event: Event[models.Image], session: Session) -> None:
        assert event.cascade == contracts.Product.sender_name
        heard.append((event.signal, await ImageRepository(session).exists(event.instance.id)))
        if event.signal == "pre_delete" and len(heard) == 1:
            raise Refused("The picture is on a poster.")

    with listening(pre_delete, keep, models.Image), listening(post_delete, keep, models.Image):
        before = await announced(catalog)
        product = url.removesuffix("/images")
        refused = is_problem(await client.delete(product), 409)
        assert refused["detail"] == "The picture is on a poster."
        assert (await client.get(url)).json()["items"] == [image]
        assert await announced(catalog) == before
        assert (await client.delete(product)).status_code == 204
    assert heard == [("pre_delete", True), ("pre_delete", True), ("post_delete", False)]


async def test_receivers_of_a_product_that_is_deleted_find_its_images_on_it(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    image = (await upload(client, url, pictures.png())).json()
    found: list[str] = []

    def look(event: Event[models.Product]) -> None:
        found.extend(each.key for each in event.instance.images)

    with listening(pre_delete, look, models.Product), listening(post_delete, look, models.Product):
        assert (await client.delete(url.removesuffix("/images"))).status_code == 204
    assert found == [image["key"]] * 2


@sqlite_suffices
async def test_the_bytes_are_served_with_a_fixed_type_for_ever(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    image = (await upload(client, url, pictures.phone_jpeg())).json()
    path = f"/v1/images/{image['key']}"
    del client.headers["Authorization"]

    answer = await client.get(path)
    head = await client.head(path)
    same = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    variant = await client.get(f"/v1/images/{image['variants'][0]['key']}")

    file = await catalog.images.get(image["key"])
    assert file is not None
    assert answer.content == await file.read()
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(image["bytes"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "inline"
    # Whatever a browser takes it for, nothing in it runs.
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(image["bytes"])
    assert (same.status_code, same.content) == (304, b"")
    assert variant.headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    "key", ["0" * 32 + ".png", "lamp.png", "..%2F..%2Fetc%2Fpasswd", "%00", "catalog.db"]
)
@sqlite_suffices
async def test_a_key_that_is_not_ours_is_not_found(public: httpx2.AsyncClient, key: str) -> None:
    is_problem(await public.get(f"/v1/images/{key}"), 404)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"not a picture", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (b"GIF89a" + bytes(64), 415),
        (pictures.png()[:200], 422),
        (pictures.huge_png(), 413),
        (pictures.png() + bytes(MAX_BYTES), 413),
        (bytes(2 * MAX_BYTES), 413),
        (pictures.png()[:33] + pictures.png_chunk(b"IDAT", b"") * 800_000, 422),
    ],
    ids=["empty", "text", "svg", "gif", "truncated", "pixels", "bytes", "body", "chunks"],
)
@sqlite_suffices
async def test_a_file_that_is_no_picture_leaves_nothing(
    client: httpx2.AsyncClient,
    catalog: Catalog,
    url: str,
    data: bytes,
    status: int,
) -> None:
    is_problem(await upload(client, url, data), status)

    assert await stored(catalog) == []
    assert await intents(catalog) == 0
    assert len(await announced(catalog)) == 2


@sqlite_suffices
async def test_a_picture_that_costs_too_much_is_refused_in_words(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    tall = constructed.riff(
        constructed.webp_extended(0, (1, 20_000)) + constructed.webp_lossless([[(0, 0, 0, 0)]])
    )

    problem = is_problem(await upload(client, url, tall), 422)

    (error,) = problem["errors"]
    assert error["pointer"] == "#/file"
    assert error["detail"] == ("The picture has 1 x 20000 pixels; a side may have at most 16,383.")
    assert await stored(catalog) == []
    assert await intents(catalog) == 0


@sqlite_suffices
async def test_a_picture_with_a_film_behind_it_is_an_image_without_it(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    film = b"MotionPhoto_Data" + b"\xff\xda" * (4 * 1024 * 1024)

    answer = await upload(client, url, pictures.jpeg() + film)

    assert answer.status_code == 201
    assert answer.json()["bytes"] < 100_000


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\0b.png", "x" * 1000])
@sqlite_suffices
async def test_the_name_of_a_file_is_ignored(
    client: httpx2.AsyncClient, catalog: Catalog, url: str, name: str
) -> None:
    image = (await upload(client, url, pictures.png(8, 8), name)).json()

    assert await stored(catalog) == keys(image)


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (pictures.png(8, 8), "image/png", 415),
        (b'{"file": ""}', "application/json", 415),
        (b"file=x", "application/x-www-form-urlencoded", 415),
        (b"", "multipart/form-data", 422),
        (b"nonsense", "multipart/form-data; boundary=b", 422),
        (b"--b\r\n\r\n", "multipart/form-data; boundary=b", 422),
        (b"--b--\r\n", "multipart/form-data; boundary=b; charset=\0", 422),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            422,
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="x"; filename="a"\r\n\r\nx\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            422,
        ),
    ],
)
@sqlite_suffices
async def test_a_body_without_a_file_is_a_problem(
    client: httpx2.AsyncClient,
    catalog: Catalog,
    url: str,
    content: bytes,
    content_type: str,
    status: int,
) -> None:
    answer = await client.post(url, content=content, headers={"Content-Type": content_type})

    is_problem(answer, status)
    assert len(await announced(catalog)) == 2


@sqlite_suffices
async def test_without_its_product_or_a_token_an_image_is_not_even_read(
    client: httpx2.AsyncClient, url: str
) -> None:
    is_problem(await upload(client, f"{MISSING}/images", b"not a picture"), 404)
    del client.headers["Authorization"]
    is_problem(await upload(client, url, b"not a picture"), 401)


async def test_the_files_of_a_refused_image_are_purged_at_once(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    def refuse(event: Event[models.Image]) -> None:
        raise Refused("no more images")

    with listening(pre_save, refuse, models.Image):
        is_problem(await upload(client, url, pictures.png(8, 8)), 409)

    assert await stored(catalog) == []
    assert await intents(catalog) == 0
    assert (await client.get(url)).json() == {"items": []}
    assert len(await announced(catalog)) == 2


async def test_what_a_broken_store_has_taken_is_swept_later(
    client: httpx2.AsyncClient,
    catalog: Catalog,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put = catalog.images.put

    async def fill_up(key: str, data: bytes, content_type: str) -> None:
        if await stored(catalog):
            raise StoreUnavailable("the disk is full")
        await put(key, data, content_type)

    with monkeypatch.context() as patching:
        patching.setattr(catalog.images, "put", fill_up)
        answer = await upload(client, url, pictures.png(8, 8))

    is_problem(answer, 503)
    assert "retry-after" in answer.headers
    assert len(await stored(catalog)) == await intents(catalog) == 1
    sweeper = Sweeper(catalog.database, catalog.images)
    assert not await sweeper.sweep_one()
    async with catalog.database.transaction() as session:
        await session.execute(update(models.ImageIntent).values(created_at=database_now(-601)))
    assert await sweeper.sweep_one()
    assert len(await stored(catalog)) == await intents(catalog) == 0


async def test_an_upload_that_is_swept_halfway_leaves_no_file(
    client: httpx2.AsyncClient,
    catalog: Catalog,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put, sweeper = catalog.images.put, Sweeper(catalog.database, catalog.images)

    async def sweep_after_the_first(key: str, data: bytes, content_type: str) -> None:
        await put(key, data, content_type)
        async with catalog.database.transaction() as session:
            await session.execute(update(models.ImageIntent).values(created_at=database_now(-601)))
        await sweeper.sweep_one()

    monkeypatch.setattr(catalog.images, "put", sweep_after_the_first)
    is_problem(await upload(client, url, pictures.png(8, 8)), 409)

    assert await stored(catalog) == []
    assert (await client.get(url)).json() == {"items": []}


async def test_images_uploaded_at_once_all_have_their_place(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    answers = await asyncio.gather(
        *(upload(client, url, pictures.png(8, 8)) for _ in range(4)),
        client.patch(url.removesuffix("/images"), json={"name": "Torch"}),
    )

    assert [each.status_code for each in answers] == [201] * 4 + [200]
    product = (await client.get(url.removesuffix("/images"))).json()
    assert (product["version"], len(product["images"])) == (6, 4)
    async with catalog.database.reading() as session:
        positions = await session.scalars(select(models.Image.position))
        assert sorted(positions) == [0, 1, 2, 3]


async def test_a_product_has_at_most_100_images_also_when_two_come_at_once(
    client: httpx2.AsyncClient, catalog: Catalog, url: str
) -> None:
    product_id = UUID(url.split("/")[3])
    async with catalog.database.engine.begin() as connection:
        await connection.execute(
            insert(models.Image).execution_options(**ALLOWED),
            [
                {
                    "id": new_id(), "product_id": product_id, "key": f"{number}.png",
                    "content_type": "image/png", "width": 1, "height": 1, "bytes": 1,
                    "variants": [], "position": number, "created_at": datetime.now(UTC),
                }
                for number in range(99)
            ],
        )  # fmt: skip
    answers = await asyncio.gather(*(upload(client, url, pictures.png(8, 8)) for _ in range(3)))

    assert sorted(each.status_code for each in answers) == [201, 409, 409]
    refused = next(each for each in answers if each.status_code == 409)
    assert "at most 100 images" in is_problem(refused, 409)["detail"]
    assert len((await client.get(url)).json()["items"]) == 100
    assert len(await stored(catalog)) == len(keys((await client.get(url)).json()["items"][-1]))
    assert await intents(catalog) == 0
