"""From a profile's source addresses to nodes."""

import pytest
from msgspec.structs import replace

from actors.model.errors import ConfigError
from actors.model.ids import OwnerId, ThingId
from actors.model.profiles import ThingProfile
from actors.ports import ConnectedThing
from protocols.opcua.addressing import NodeAddress, parse_address
from protocols.opcua.wanted import wanted_at


def test_placeholders_are_filled_in_from_the_connection() -> None:
    found = parse_address("nsu=http://example.com/{line}%3Bx;s={serial}.OilLevel", {"serial": "E;s=1", "line": "a"})
    assert found == NodeAddress(namespace="http://example.com/a;x", kind="s", identifier="E;s=1.OilLevel")


def test_without_a_namespace_the_standard_one_is_meant() -> None:
    assert str(parse_address("i=2258", {})) == "nsu=http://opcfoundation.org/UA/;i=2258"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ns=3;s=Level", "expected nsu=<namespace URI>"),
        ("Level", "expected nsu=<namespace URI>"),
        ("nsu=urn:x;s={serial}", "connection option 'serial' is missing"),
        ("nsu=urn:x;i=12a", "i= does not take '12a'"),
        ("nsu=urn:x;g=12", "g= does not take '12'"),
        ("nsu=urn:x;b=***", "b= does not take '***'"),
    ],
)
def test_what_is_no_address_is_told_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match="node address") as refused:
        parse_address(text, {})
    assert said in str(refused.value)


def machine(number: int, endpoint: str = "plant", source: str = "s={machine}.Level") -> ConnectedThing:
    profile = ThingProfile(name="m", title="m", model="m", properties={}, sources={"opcua": {"level": source}})
    return ConnectedThing(
        thing_id=ThingId(f"m{number}"),
        owner_id=OwnerId("o"),
        profile=profile,
        options={"endpoint": endpoint, "machine": str(number)},
    )


def test_what_is_wanted_after_a_change_is_what_a_whole_look_would_find() -> None:
    before = [machine(1), machine(2), machine(3, source="s={missing}"), machine(4)]
    after = [machine(1), machine(2, source="s={machine}.Fill"), machine(3), machine(5), machine(6, "elsewhere")]
    changed = {ThingId(f"m{number}") for number in (2, 3, 4, 5, 6)}
    fresh = wanted_at("plant", [thing for thing in after if thing.thing_id in changed])
    assert wanted_at("plant", before).changed(changed, fresh) == wanted_at("plant", after)
    assert wanted_at("plant", before).problems.keys() == {"m3"}


def test_a_things_id_and_serial_may_stand_in_its_addresses() -> None:
    thing = replace(machine(1, source="nsu=urn:{machine};s={thing_id}.{serial}"), serial="S7")
    (source,) = wanted_at("plant", [thing]).items.values()
    address = source.node
    assert (address.namespace, address.identifier) == ("urn:1", "m1.S7")
