"""Thing Descriptions: valid after the W3C's schema for every profile we ship, and shown to who may see them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from firm import record
from served_hub import Client, served_hub
from td_schema import NoSchema, td_schema

from actors.model.profiles import ThingProfile
from actors.model.things import Connection
from hub.config import load
from hub.plugins import Plugins
from hub.wot import description, directory
from protocols.testing import sample_profile

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    try:
        return td_schema()
    except NoSchema as error:
        pytest.skip(str(error))


def shipped() -> list[ThingProfile]:
    """Return the profiles of the demo and of the example plant, and one with everything in it."""
    secrets = dict.fromkeys(_environment(), "x")
    config = load(ROOT / "examples" / "plant" / "hub.toml", environ=secrets, plugins=Plugins.installed())
    return [*config.profiles.values(), sample_profile()]


def _environment() -> list[str]:
    lines = (ROOT / "examples" / "plant" / "sandbox.env").read_text().splitlines()
    return [line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")]


@pytest.mark.parametrize("profile", shipped(), ids=lambda profile: profile.name)
@pytest.mark.parametrize("protocol", ["http", "coap", "opcua"])
def test_every_demo_things_description_is_valid(profile: ThingProfile, protocol: str, schema: dict[str, Any]) -> None:
    told = description(record(connection=Connection(protocol=protocol)), profile, "http://hub:8080")
    jsonschema.Draft7Validator(schema).validate(told)
    assert set(told["properties"]) == set(profile.properties)


def test_the_directory_describes_itself(schema: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(schema).validate(directory("http://hub:8080"))


def test_what_can_be_set_and_done_has_a_form_for_it() -> None:
    told = description(record(), sample_profile(), "http://hub:8080")
    operations = [op for form in told["properties"]["setpoint"]["forms"] for op in form["op"]]
    assert operations == ["readproperty", "writeproperty"]
    assert told["properties"]["level"]["readOnly"]
    assert told["actions"]["reset"]["input"]["properties"] == {"delay": {"type": "number", "unit": "s"}}


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Client]:
    async with served_hub(tmp_path) as client:
        yield client


async def test_owners_see_their_things_and_a_thing_itself(operator: Client) -> None:
    thing = await operator.registered()
    await operator.registered(thing_id="other-1", owner_id="rival")
    owner = await operator.owner("firm")
    assert [told["id"] for told in (await owner.get("/things"))[1]] == ["urn:iot2crm:thing:printer-1"]
    assert len((await operator.get("/things"))[1]) == 2
    assert (await owner.get("/things/urn:iot2crm:thing:printer-1"))[1]["title"] == "Printer"
    assert [(await thing.get(f"/things/{name}"))[0] for name in ("printer-1", "other-1")] == [200, 403]
    assert (await owner.get("/things/other-1"))[0] == 404


async def test_pages_name_the_next_one(operator: Client) -> None:
    for number in range(3):
        await operator.registered(thing_id=f"p-{number}")
    assert [told["id"][-3:] for told in (await operator.get("/things?limit=2&after=p-0"))[1]] == ["p-1", "p-2"]
    assert (await operator.get("/things?limit=0"))[0] == 422


async def test_anybody_may_read_where_the_directory_is(operator: Client) -> None:
    status, told = await operator.with_token("").get("/.well-known/wot")
    assert (status, told["@type"]) == (200, "ThingDirectory")
