"""Many things through the owners' API: imported together, listed in pages, counted without being read."""

from pathlib import Path
from typing import Any

import pytest
from served_hub import Client, served_hub, thing


def things(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [thing(f"p{number:04}", **changes) for number in range(count)]


async def listed(client: Client, query: str = "") -> list[str]:
    status, told = await client.get(f"/api/v1/things{query}")
    assert status == 200, told
    return [entry["thing_id"] for entry in told]


async def test_an_import_shares_commits_and_gives_everybody_a_token_of_its_own(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        before = (await operator.metrics())["iot2crm_engine_batches_total"]
        status, done = await operator.post("/api/v1/things/import", things(600))
        assert (status, len(done["things"]), done["rejected"]) == (200, 600, [])
        assert (await operator.metrics())["iot2crm_engine_batches_total"] - before < 120
        printer = operator.with_token(done["things"][7]["token"])
        assert len({entry["token"] for entry in done["things"]}) == 600
        report = {"readings": [{"name": "ink", "value": 50}]}
        assert (await printer.post("/things/p0007/readings", report))[0] == 204
        assert (await printer.post("/things/p0008/readings", report))[0] == 403


async def test_wrong_rows_are_told_by_their_numbers_among_many_right_ones(tmp_path: Path) -> None:
    rows = things(600)
    rows[3] |= {"profile": "toaster"}
    rows[550] |= {"owner_id": ""}
    async with served_hub(tmp_path) as operator:
        _, done = await operator.post("/api/v1/things/import", rows)
        assert ([row["row"] for row in done["rejected"]], len(done["things"])) == (["4", "551"], 598)


async def test_a_thing_that_comes_twice_in_one_import_stays_its_first_owners(tmp_path: Path) -> None:
    rows = [thing("p1", "firm"), thing("p2", "firm"), thing("p1", "other"), thing("p2", "firm", serial="S2")]
    async with served_hub(tmp_path) as operator:
        _, done = await operator.post("/api/v1/things/import", rows)
        assert [row["row"] for row in done["rejected"]] == ["3"]
        assert "another owner" in done["rejected"][0]["detail"]
        assert (await operator.get("/api/v1/things/p1"))[1]["owner_id"] == "firm"
        assert (await operator.get("/api/v1/things/p2"))[1]["serial"] == "S2"


async def test_lists_come_in_pages_that_name_the_next_one(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        await operator.post("/api/v1/things/import", [*things(25), thing("zz", "other")])
        names = [f"p{number:04}" for number in range(25)]
        assert await listed(operator) == [*names, "zz"]
        assert await listed(operator, "?limit=10") == names[:10]
        assert await listed(operator, "?after=p0009&limit=10") == names[10:20]
        assert await listed(operator, "?after=p0019&limit=10") == [*names[20:], "zz"]
        owner = await operator.owner("firm")
        assert await listed(owner, "?after=p0022") == names[23:]


@pytest.mark.parametrize("limit", ["0", "10001", "-1", "many", "٣"])
async def test_a_page_of_an_impossible_size_is_refused(tmp_path: Path, limit: str) -> None:
    async with served_hub(tmp_path) as operator:
        status, problem = await operator.get(f"/api/v1/things?limit={limit}")
        assert (status, problem["code"]) == (422, "malformed")
        assert "expected 1 to 10000" in problem["detail"]


async def test_a_community_counts_its_members_and_their_owners(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        rows = things(30) + [thing(f"q{number}", "other") for number in range(5)]
        await operator.post("/api/v1/things/import", rows)
        await operator.post("/api/v1/things/q0/retire")
        (community,) = (await operator.get("/api/v1/communities"))[1]
        assert (community["members"], community["owners"]) == (34, 2)
