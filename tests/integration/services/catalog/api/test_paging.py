import httpx2
import pytest

from tests.integration.services.catalog.conftest import create


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name", "price", "-price"])
async def test_a_page_goes_on_where_the_last_ended_whatever_came_and_went(
    client: httpx2.AsyncClient, sort: str
) -> None:
    made = {
        number: await create(client, sku=f"S-{number}", name=f"n{number}", price=f"{number}.00")
        for number in (1, 2, 3, 5, 6, 7)
    }

    async def page(after: str | None) -> tuple[list[str], str | None]:
        query = {"sort": sort, "limit": "3"} | ({"after": after} if after else {})
        answer = (await client.get("/v1/products", params=query)).json()
        return [each["sku"] for each in answer["items"]], answer["next"]

    ascending = not sort.startswith("-")
    first, after = await page(None)
    # The one on which the page ended goes, and another comes before what is left of it.
    last, gone = (3, 6) if ascending else (5, 2)
    for number in (last, gone):
        await client.delete(f"/v1/products/{made[number]['id']}")
    if not sort.endswith("created_at"):
        await create(
            client,
            sku="S-0",
            name="n0" if ascending else "n9",
            price="0.00" if ascending else "9.00",
        )
        await create(client, sku="S-4", name="n4", price="4.00")
    second, rest = await page(after)

    assert first == [f"S-{each}" for each in ((1, 2, 3) if ascending else (7, 6, 5))]
    new = [] if sort.endswith("created_at") else ["S-4"]
    assert second == [*new, *(f"S-{each}" for each in ((5, 7) if ascending else (3, 1)))]
    assert rest is None
