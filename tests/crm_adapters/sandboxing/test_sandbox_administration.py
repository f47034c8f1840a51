from pathlib import Path

import aiohttp
import pytest

from actors.model.errors import ConfigError
from actors.ports import Clock
from crm_adapters.sandboxing import SandboxOptions, SandboxSpec, Tables, find_sandbox, listening, load_faults


async def test_the_request_log_tells_path_status_and_fault_but_no_headers(client: aiohttp.ClientSession) -> None:
    await client.post("/_sandbox/faults", json={"match": "notes/b", "action": "status", "status": 503})
    await client.put("/notes/a", headers={"Authorization": "Bearer canary"})
    await client.put("/notes/b")
    await client.get("/notes/c?x=1")
    async with client.get("/_sandbox/requests") as reply:
        text = await reply.text()
        log = [(entry["method"], entry["path"], entry["status"], entry["fault"]) for entry in await reply.json()]
    assert log == [
        ("PUT", "/notes/a", 201, None),
        ("PUT", "/notes/b", 503, "status"),
        ("GET", "/notes/c?x=1", 404, None),
    ]
    assert "canary" not in text


async def test_a_person_can_change_a_record(client: aiohttp.ClientSession) -> None:
    await client.put("/notes/a")
    async with client.post("/_sandbox/advance", json={"record_id": "a", "status": "cancelled"}) as reply:
        assert [record["status"] for record in await reply.json()] == ["cancelled"]


@pytest.mark.parametrize(
    ("record_id", "status", "answer"), [("nobody", "open", 404), ("a", "confirmed", 422), ("a", "lost", 400)]
)
async def test_a_change_that_cannot_be_is_refused(
    client: aiohttp.ClientSession, record_id: str, status: str, answer: int
) -> None:
    await client.put("/notes/a")
    await client.post("/_sandbox/advance", json={"record_id": "a", "status": "cancelled"})
    async with client.post("/_sandbox/advance", json={"record_id": record_id, "status": status}) as reply:
        assert reply.status == answer


async def test_a_sandbox_started_again_knows_its_records(spec: SandboxSpec, clock: Clock, tmp_path: Path) -> None:
    options = SandboxOptions(clock=clock, data_file=tmp_path / "notes.db")
    for key in ("a", "b"):
        async with listening(spec, options) as base_url, aiohttp.ClientSession(base_url) as client:
            await client.put(f"/notes/{key}")
    sandbox = spec.opened(options)
    numbers = [(record.record_id, record.number) for record in sandbox.records()]
    sandbox.close()
    assert numbers == [("a", "1"), ("b", "2")]


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    tables = Tables(tmp_path / "rows.db")
    with tables.transaction():
        tables.put("t", "kept", {"value": 1})
    with pytest.raises(ZeroDivisionError), tables.transaction():
        tables.put("t", "kept", {"value": 1 // (tables.next_number("n") - 1)})
    tables.close()
    again = Tables(tmp_path / "rows.db")
    assert (again.all("t"), again.all("_counters")) == (({"value": 1},), ())
    again.close()


def test_options_override_the_development_credentials(spec: SandboxSpec, clock: Clock) -> None:
    seen: list[SandboxOptions] = []
    watching = SandboxSpec(
        name="w", title="w", build=lambda options: seen.append(options) or spec.build(options), credentials={"a": "1"}
    )
    watching.opened(SandboxOptions(clock=clock, credentials={"b": "2"})).close()
    assert seen[0].credentials == {"a": "1", "b": "2"}


def test_an_unknown_sandbox_is_refused_with_the_known_names() -> None:
    with pytest.raises(ConfigError, match=r"expected one of dynamics, .*rest, salesforce"):
        find_sandbox("sap")


def test_a_faults_file_that_is_no_list_of_faults_is_named(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('[{"action": "explode"}]')
    with pytest.raises(ConfigError, match=r"faults\.json.*explode.*\$\[0\]\.action"):
        load_faults(path)
