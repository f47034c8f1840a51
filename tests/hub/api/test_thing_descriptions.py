"""Thing Descriptions: valid after the W3C's schema for every profile we ship, and shown to who may see them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from firm import PROFILE, record
from msgspec.structs import replace
from served_hub import Client, served_hub
from td_schema import NoSchema, td_schema

from actors.model.ids import OwnerId, ThingId
from actors.model.profiles import ThingProfile
from actors.model.things import Connection
from actors.ports import ConnectedThing, ProtocolSpec, RefusesCommands
from hub.config import load
from hub.config.tables import ProtocolChoice
from hub.plugins import Plugins
from hub.wot import description, directory
from protocols import coap, opcua
from protocols.coap import CoapConfig
from protocols.opcua.config import EndpointConfig, OpcUaConfig
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


COAP = CoapConfig(host="::")
OPCUA = OpcUaConfig(endpoints={"plant": EndpointConfig(url="opc.tcp://plant:4840")})
REACHED: dict[str, tuple[ProtocolSpec, Any, dict[str, str]]] = {
    "coap": (coap.SPEC, COAP, {"uri": "coap://10.20.0.7"}),
    "opcua": (opcua.SPEC, OPCUA, {"endpoint": "plant", "machine": "Press1"}),
}


def told_by(protocol: str, profile: ThingProfile, **sources: str) -> dict[str, Any]:
    """Return the description of a thing with what its protocol says of it."""
    spec, config, options = REACHED[protocol]
    if sources:
        profile = replace(profile, sources={protocol: sources})
    thing = ConnectedThing(thing_id=ThingId("t-1"), owner_id=OwnerId("firm"), profile=profile, options=options)
    own = spec.forms(config, thing, "hub")
    return description(
        record(thing_id="t-1", connection=Connection(protocol=protocol, options=options)),
        profile,
        "http://hub:8080",
        own,
    )


@pytest.mark.parametrize("profile", shipped(), ids=lambda profile: profile.name)
@pytest.mark.parametrize("protocol", sorted(REACHED))
def test_it_stays_valid_with_the_forms_of_its_own_protocol(
    profile: ThingProfile, protocol: str, schema: dict[str, Any]
) -> None:
    jsonschema.Draft7Validator(schema).validate(told_by(protocol, profile))


def test_a_coap_thing_is_read_observed_set_and_commanded_at_its_own_resources(schema: dict[str, Any]) -> None:
    told = told_by("coap", sample_profile(), setpoint="/3303/0/5900", reset="/3/0/4", level="lvl")
    jsonschema.Draft7Validator(schema).validate(told)
    own = [form for form in told["properties"]["setpoint"]["forms"] if form["href"].startswith("coap:")]
    assert [form["op"][0] for form in own] == ["readproperty", "observeproperty", "writeproperty"]
    assert {form["href"] for form in own} == {"coap://10.20.0.7/3303/0/5900"}
    assert [form["cov:methodName"] for form in own] == ["GET", "GET", "PUT"]
    assert (own[1]["subprotocol"], own[1]["cov:contentFormat"]) == ("cov:observe", 0)
    assert all(form["security"] == ["negotiated"] for form in own)
    assert told["properties"]["setpoint"]["observable"]
    assert told["actions"]["reset"]["forms"][1]["href"] == "coap://10.20.0.7/3/0/4"
    assert len(told["properties"]["level"]["forms"]) == 1, "it reports under that name, and is not asked"
    assert told["events"]["order"]["forms"][1]["href"] == "coap://hub:5683/m/t-1/orders"


def test_an_opc_ua_things_forms_name_its_server_and_nodes(schema: dict[str, Any]) -> None:
    told = told_by(
        "opcua",
        sample_profile(),
        setpoint="nsu=urn:plant;s={machine}.Set Point | sampling_ms=250",
        reset="nsu=urn:plant;s={machine}.Reset | object=nsu=urn:plant;s={machine}",
        level="nsu=urn:plant;s={nothing}",
    )
    jsonschema.Draft7Validator(schema).validate(told)
    (form,) = told["properties"]["setpoint"]["forms"][2:]
    assert form["href"] == "opc.tcp://plant:4840/?id=nsu=urn:plant;s=Press1.Set%20Point"
    assert form["op"] == ["readproperty", "observeproperty", "unobserveproperty", "writeproperty"]
    assert told["actions"]["reset"]["forms"][1]["href"] == "opc.tcp://plant:4840/?id=nsu=urn:plant;s=Press1.Reset"
    assert len(told["properties"]["level"]["forms"]) == 1, "its address needs an option that the thing does not have"


async def test_the_directory_shows_the_forms_of_the_things_protocol(tmp_path: Path) -> None:
    profile = replace(PROFILE, sources={"coap": {"ink": "/ink"}})
    choice = ProtocolChoice(name="coap", spec=replace(coap.SPEC, open=nothing_opened), config=COAP)
    async with served_hub(tmp_path, profile=profile, protocols=[choice]) as client:
        connection = {"protocol": "coap", "options": {"uri": "coap://10.20.0.7:5700"}}
        await client.registered(connection=connection)
        _, told = await client.get("/things/printer-1")
        assert told["properties"]["ink"]["forms"][1]["href"] == "coap://10.20.0.7:5700/ink"
        assert told["events"]["order"]["forms"][1]["href"] == "coap://127.0.0.1:5683/m/printer-1/orders"
        assert told["securityDefinitions"]["negotiated"] == {"scheme": "auto"}


@asynccontextmanager
async def nothing_opened(_config: Any, _deps: Any) -> AsyncIterator[Any]:
    """Be an adapter without a socket."""
    yield Silent()


class Silent(RefusesCommands):
    """It carries nothing."""

    http_routes = ()
    urls = ()

    def links(self) -> list[Any]:
        return []

    def counters(self) -> dict[str, int]:
        return {}


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
