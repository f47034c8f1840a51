"""Looking at a server that is not ours (node-opcua): its machine becomes a thing profile."""

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from actors.model.errors import LinkDown
from actors.model.profiles import PropertyKind, ThingProfile
from hub.bench.node_opcua import NodeServer
from hub.cli.root import cli
from hub.clock import SystemClock
from protocols.opcua.config import EndpointConfig
from protocols.opcua.looking import look_at

NOW = SystemClock().now()


def browse(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["opcua", "browse", *arguments])


def written(text: str) -> ThingProfile:
    return msgspec.convert(tomllib.loads(text), ThingProfile)


def test_a_machine_becomes_a_profile_that_the_hub_reads(sim: NodeServer, tmp_path: Path) -> None:
    file = tmp_path / "press.toml"
    assert browse(sim.url, "--output", str(file)).exit_code == 0
    profile = written(file.read_text())
    assert (profile.name, profile.title, profile.model) == ("px_20", "ACME PX-20", "PX-20")
    assert profile.properties["oil_level"].unit == "%"
    assert profile.properties["device_health"].kind is PropertyKind.TEXT
    assert profile.sources["opcua"]["oil_level"] == "nsu=urn:iot2crm:sim;s={machine}.OilLevel"
    assert browse(sim.url, "--output", str(file)).exit_code == 2  # a file of a person's is not written over


def test_device_health_becomes_faults_and_a_lifetime_a_slot_that_lacks_its_article(sim: NodeServer) -> None:
    text = browse(sim.url).stdout
    assert {fault.equals for fault in written(text).faults.values()} == {"FAILURE", "MAINTENANCE_REQUIRED", "OFF_SPEC"}
    assert "a new part has 2000, a used one 0 (NumberOfPartsIndicationType)" in text
    before, mark, after = text.partition("# [slots.")
    slot, _, rest = after.partition("\n\n")
    profile = written(before + (mark + slot).replace("# ", "") + "\n\n" + rest)
    assert profile.slots["filter_life_part"].capacity == 2000


def test_identification_says_how_to_register_the_machine(sim: NodeServer) -> None:
    text = browse(sim.url).stdout
    assert '#   serial = "S-4711"' in text
    assert "ProductInstanceUri https://acme.example/S-4711" in text
    assert 'options = { endpoint = "NAME", machine = "Press7" }' in text


def test_a_machine_that_is_not_there_is_told(sim: NodeServer) -> None:
    found = browse(sim.url, "--machine", "Press9")
    assert found.exit_code == 2
    assert "Press7" in found.stdout
    assert "there is no machine 'Press9'" in found.stderr


async def test_without_companion_specifications_objects_are_machines(plant: Any) -> None:
    machine = plant.define()
    (found,) = await look_at(EndpointConfig(url=plant.url), machine, NOW)
    assert {each.path[-1].partition(".")[2]: each.kind for each in found.variables} == {
        "Level": PropertyKind.NUMBER,
        "Cycle": PropertyKind.NUMBER,
        "Note": PropertyKind.TEXT,
        "Snapshot": PropertyKind.NUMBERS,
    }


def test_a_server_that_does_not_answer_is_told() -> None:
    with pytest.raises(LinkDown, match="ConnectionRefusedError"):
        asyncio.run(look_at(EndpointConfig(url="opc.tcp://127.0.0.1:9/"), "", NOW))
