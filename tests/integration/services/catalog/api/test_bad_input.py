"""Whatever a client sends: a problem document, nothing written, nothing announced."""

import base64
from datetime import timedelta
from typing import Any

import httpx2
import jwt
import pytest

from services.catalog.service import Catalog
from tests.databases import sqlite_suffices
from tests.integration.services.catalog.conftest import (
    KEY,
    PRODUCT,
    Token,
    announced,
    create,
    is_problem,
    products,
)

ID = b"019a0000-0000-7000-8000-000000000000"

WRONG_FIELDS: list[tuple[str, Any]] = [
    ("price", "1e1000000"),
    ("price", "1E3"),
    ("price", "9" * 5000),
    ("price", "1234567890123"),
    ("price", "999999999999.99999"),
    ("price", "1.999"),
    ("price", "-1.00"),
    ("price", "+1.00"),
    ("price", "1_000"),
    ("price", "NaN"),
    ("price", "Infinity"),
    ("price", "\u0663.\u0660\u0660"),
    ("price", " 1.00"),
    ("price", "1.00\n"),
    ("price", ""),
    ("price", 19.99),
    ("price", 2**63),
    ("price", True),
    ("price", None),
    ("currency", "eur"),
    ("currency", "XXX"),
    ("currency", "EUR\0"),
    ("currency", 978),
    ("currency", ["EUR"]),
    ("currency", None),
    ("sku", ""),
    ("sku", "   "),
    ("sku", "A" * 65),
    ("sku", "A\0B"),
    ("sku", "A\nB"),
    ("sku", 7),
    ("sku", None),
    ("name", "x" * 201),
    ("name", "Lamp\0"),
    ("name", {"en": "Lamp"}),
    ("name", None),
    ("description", "x" * 10_001),
    ("description", "\0"),
    ("description", 1),
    ("colour", "red"),
    ("version", 1),
    ("id", "019a0000-0000-7000-8000-000000000000"),
]

WRONG_QUERIES: list[dict[str, str]] = [
    {"limit": "0"},
    {"limit": "201"},
    {"limit": "9" * 30},
    {"limit": "many"},
    {"sort": "colour"},
    {"q": "\0"},
    {"q": "x" * 201},
    {"category": "shelf"},
    {"min_price": "1e9"},
    {"max_price": "-1"},
    {"colour": "red"},
    *(
        {"sort": sort, "after": base64.urlsafe_b64encode(cursor).decode()}
        for sort, cursor in [
            ("name", b""),
            ("name", b"{}"),
            ("name", b"[" * 1000),
            ("name", b'["name"]'),
            ("name", b'["name", "a", "b"]'),
            ("name", b'["name", 1, "%s"]' % ID),
            ("name", b'["name", "\\u0000", "%s"]' % ID),
            ("price", b'["price", 9223372036854775808, "019a000000007000800000000000"]'),
            (
                "price",
                b'["price", 9223372036854775808, "%s"]' % ID,
            ),
            ("created_at", b'["created_at", "now", "%s"]' % ID),
            (
                "created_at",
                b'["created_at", "0001-01-01T00:00:00+23:59", "%s"]' % ID,
            ),
        ]
    ),
    {"after": "ü"},
    {"after": "\0"},
    {"after": "x" * 2000},
]

MALFORMED = [
    b"",
    b"{",
    b'{"sku": }',
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"text"',
    b"NaN",
    b'{"name": "\\ud800"}',
    b'{"price": ' + b"9" * 5000 + b"}",
    b"[" * 50_000,
]


@sqlite_suffices
async def test_a_wrong_field_is_pointed_to(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    product = await create(client, sku="old")

    for field, value in WRONG_FIELDS:
        created = await client.post("/v1/products", json=PRODUCT | {field: value})
        patched = await client.patch(f"/v1/products/{product['id']}", json={field: value})
        for answer in (created, patched):
            assert is_problem(answer, 422)["errors"][0]["pointer"] == f"#/{field}", value
    assert await products(catalog) == ["old"]
    assert len(await announced(catalog)) == 2


@sqlite_suffices
async def test_a_malformed_body_is_a_problem(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    product = await create(client, sku="old")
    headers = {"Content-Type": "application/json"}

    for body in MALFORMED:
        for method, url in (("POST", "/v1/products"), ("PATCH", f"/v1/products/{product['id']}")):
            is_problem(await client.request(method, url, content=body, headers=headers), 422)
    assert await products(catalog) == ["old"]
    assert len(await announced(catalog)) == 2


@sqlite_suffices
async def test_a_body_of_another_type_is_a_problem(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    for media_type in ("text/plain", "application/xml", "multipart/form-data"):
        headers = {"Content-Type": media_type}
        is_problem(await client.post("/v1/products", content=b"<a/>", headers=headers), 415)

    assert await announced(catalog) == []


@sqlite_suffices
async def test_a_patch_of_another_kind_is_a_problem_that_names_ours(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    url = f"/v1/products/{(await create(client))['id']}"
    for media_type in ("application/json-patch+json", "application/vnd.api+json; charset=utf-8"):
        headers = {"Content-Type": media_type}
        answer = await client.patch(url, content=b'{"name": "x"}', headers=headers)
        is_problem(answer, 415)
        assert answer.headers["accept-patch"] == "application/merge-patch+json, application/json"

    assert len(await announced(catalog)) == 2


@sqlite_suffices
async def test_a_body_in_a_coding_is_a_problem_that_says_so(
    client: httpx2.AsyncClient, catalog: Catalog
) -> None:
    for coding in ("gzip", "br", "identity, gzip"):
        answer = await client.post(
            "/v1/products", json=PRODUCT, headers={"Content-Encoding": coding}
        )
        is_problem(answer, 415)
        assert answer.headers["accept-encoding"] == "identity"
    assert await announced(catalog) == []
    plain = {"Content-Encoding": "Identity"}
    assert (await client.post("/v1/products", json=PRODUCT, headers=plain)).status_code == 201


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"name": "\xff"}', "Not UTF-8, at byte 10"),
        (b'{"price": ' + b"9" * 5_000 + b"}", "A number has too many digits"),
        (b'{"price": "1", "price": "99"}', "'price' stands twice in an object"),
        (b'{"x": {"a": 1, "b": 2, "a": 1}}', "'a' stands twice in an object"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "Nested too deeply"),
    ],
)
@sqlite_suffices
async def test_a_body_that_cannot_be_read_says_why(
    client: httpx2.AsyncClient, body: bytes, why: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/v1/products", content=body, headers=headers)
    assert is_problem(answer, 422)["errors"] == [{"detail": why, "pointer": "#"}]


@sqlite_suffices
async def test_what_can_be_read_can_be_asked_about(client: httpx2.AsyncClient) -> None:
    """HEAD, as GET without a body (RFC 9110, section 9.1)."""
    product = f"/v1/products/{(await create(client))['id']}"
    for path in ("/health/live", "/health/ready", "/v1/products", "/v1/categories", product):
        read, asked = await client.get(path), await client.head(path)
        assert asked.status_code == read.status_code == 200
        assert asked.headers["content-type"] == read.headers["content-type"]


@sqlite_suffices
async def test_an_oversized_body_is_a_problem(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    is_problem(await client.post("/v1/products", json=PRODUCT | {"x": "x" * 2**20}), 413)

    assert await announced(catalog) == []


async def test_a_duplicate_sku_is_a_conflict(client: httpx2.AsyncClient, catalog: Catalog) -> None:
    await create(client)
    other = await create(client, sku="A-2")

    is_problem(await client.post("/v1/products", json=PRODUCT | {"name": "Torch"}), 409)
    patch = {"sku": "A-1", "name": "Torch"}
    is_problem(await client.patch(f"/v1/products/{other['id']}", json=patch), 409)

    assert await products(catalog) == ["A-1", "A-2"]
    assert len(await announced(catalog)) == 4


@sqlite_suffices
async def test_a_wrong_parameter_is_named(public: httpx2.AsyncClient) -> None:
    for query in WRONG_QUERIES:
        problem = is_problem(await public.get("/v1/products", params=query), 422)
        assert problem["errors"][0]["parameter"] == list(query)[-1], query


def _forged(algorithm: str | None, key: str, **claims: object) -> str:
    whole = {"iss": "heliograph", "aud": "catalog", "sub": "eve", "exp": 2**33}
    whole |= {"scope": "catalog:write"}
    return jwt.encode(whole | claims, key, algorithm=algorithm)


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer nonsense",
        "Basic dXNlcjpwYXNz",
        f"Bearer {_forged(None, '')}",
        f"Bearer {_forged('HS256', 'another key, which is long enough as well')}",
        f"Bearer {_forged('HS512', KEY * 2)}",
        f"Bearer {_forged('HS256', KEY, aud='elsewhere')}",
        f"Bearer {_forged('HS256', KEY, aud=['notifier'])}",
        f"Bearer {_forged('HS256', KEY, iss='elsewhere')}",
        f"Bearer {_forged('HS256', KEY, exp=1)}",
        f"Bearer {'x' * 5000}",
    ],
)
@sqlite_suffices
async def test_a_token_that_is_not_ours_is_refused(
    public: httpx2.AsyncClient, catalog: Catalog, authorization: str
) -> None:
    headers = {"Authorization": authorization}

    answer = await public.post("/v1/products", json=PRODUCT, headers=headers)

    is_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert await products(catalog) == []
    assert await announced(catalog) == []


@sqlite_suffices
async def test_an_expired_token_is_refused_for_reading_too(
    public: httpx2.AsyncClient, catalog: Catalog
) -> None:
    expired = catalog.tokens.issue("ann", [], timedelta(minutes=-1))
    headers = {"Authorization": f"Bearer {expired}"}

    is_problem(await public.get(f"/v1/products/{'0' * 32}", headers=headers), 401)


async def test_a_sku_is_the_same_however_it_is_composed(
    client: httpx2.AsyncClient, token: Token
) -> None:
    await create(client, sku="caf\u00e9")

    answer = await client.post("/v1/products", json=PRODUCT | {"sku": " cafe\u0301 "})

    is_problem(answer, 409)
