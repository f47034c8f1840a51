"""Structures and enumerations of a server that is not ours (node-opcua), and the reading of their bytes."""

import struct
from typing import Any

import msgspec
import pytest

from actors.model.profiles import PropertyKind, PropertySpec, ThingProfile
from actors.ports import ConnectedThing
from hub.bench.node_opcua import NAMESPACE, NodeServer
from protocols.opcua.binary import Malformed
from protocols.opcua.structures import Definition, Field, Form, TypeBook
from protocols.opcua.values import Unreadable, part_of
from protocols.opcua.variants import Structure
from protocols.testing import OWNER, TANK

STATUS = "i=2256"  # ServerStatus: times, an enumeration and a structure in it
SOURCES = {
    "maker": f"{STATUS} | field=BuildInfo.ManufacturerName",
    "state": f"{STATUS} | field=State",
    "left": f"{STATUS} | field=SecondsTillShutdown",
    "build": "i=2260",
    "mode": f"nsu={NAMESPACE};s=Mode",
    "number": f"nsu={NAMESPACE};s=Mode",
    "nothing": f"{STATUS} | field=BuildInfo.Colour",
}
NUMBERS = ("left", "number")


def server() -> ConnectedThing:
    kinds = {name: PropertyKind.NUMBER if name in NUMBERS else PropertyKind.TEXT for name in SOURCES}
    profile = ThingProfile(
        name="server",
        title="Server",
        model="S",
        properties={name: PropertySpec(kind=kind) for name, kind in kinds.items()},
        sources={"opcua": SOURCES},
    )
    return ConnectedThing(thing_id=TANK, owner_id=OWNER, profile=profile, options={"endpoint": "plant"})


async def test_fields_of_structures_and_names_of_enumerations_are_told(sim: NodeServer, hub: Any) -> None:
    hub.kit.things.register(server())
    sim.do("call", what="mode", value=1)
    async with hub.running(sim.url, items=len(SOURCES)) as link:
        await link.until(lambda: bool(link.values("mode") and link.values("build") and link.count("malformed")))
        found = {name: link.values(name)[-1] for name in SOURCES if name != "nothing"}
        assert not link.values("nothing")
    build = msgspec.json.decode(found.pop("build"))
    assert found == {
        "maker": build["ManufacturerName"],
        "state": "Running",
        "left": 0.0,
        "mode": "Pressing",
        "number": 1.0,
    }


def book(form: Form, *fields: Field, more: dict[str, Definition] | None = None) -> TypeBook:
    made = TypeBook()
    made.by_encoding["e"] = "t"
    made.by_type = {"t": Definition(form=form, fields=fields)} | (more or {})
    return made


NUMBER, LABEL = Field(name="Number", builtin=6), Field(name="Label", builtin=12, is_optional=True)
HI = b"\2\0\0\0hi"


@pytest.mark.parametrize(
    ("form", "fields", "body", "expected"),
    [
        (Form.PLAIN, (NUMBER, LABEL), struct.pack("<i", 5) + HI, {"Number": 5, "Label": "hi"}),
        (Form.OPTIONAL_FIELDS, (NUMBER, LABEL), struct.pack("<Ii", 0, 5), {"Number": 5}),
        (Form.OPTIONAL_FIELDS, (NUMBER, LABEL), struct.pack("<Ii", 1, 5) + HI, {"Number": 5, "Label": "hi"}),
        (Form.UNION, (NUMBER, LABEL), struct.pack("<I", 2) + HI, {"Label": "hi"}),
        (Form.UNION, (NUMBER, LABEL), struct.pack("<I", 0), {}),
        (Form.PLAIN, (Field(name="All", builtin=6, is_array=True),), struct.pack("<iii", 2, 7, 8), {"All": [7, 8]}),
        (
            Form.PLAIN,
            (Field(name="Grid", builtin=3, is_array=True, dimensions=2),),
            struct.pack("<iii", 2, 1, 2) + b"\7\x08",
            {"Grid": [7, 8]},
        ),
        (Form.PLAIN, (Field(name="Mode", builtin=6, names={5: "Idle"}),), struct.pack("<i", 5), {"Mode": "Idle"}),
    ],
)
def test_every_form_of_structure_is_read(form: Form, fields: Any, body: bytes, expected: Any) -> None:
    assert book(form, *fields).explained(Structure("e", body)) == expected


@pytest.mark.parametrize("body", [b"", b"\5\0\0\0", b"\5\0\0\0\xff\xff\xff\x7f"])
def test_bytes_that_are_no_such_structure_are_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        book(Form.PLAIN, NUMBER, LABEL).explained(Structure("e", body))


def test_a_type_that_contains_itself_ends() -> None:
    endless = Field(name="Inner", type_id="t")
    with pytest.raises(Malformed, match="too_deep"):
        book(Form.PLAIN, endless).explained(Structure("e", bytes(1000)))


def test_a_part_that_is_not_there_is_told_with_those_that_are() -> None:
    value = {"Axes": [{"Load": 5.0}]}
    assert part_of(value, ["Axes", "0", "Load"]) == 5.0
    with pytest.raises(Unreadable, match=r"no field Axes.0.Speed; expected one of Load"):
        part_of(value, ["Axes", "0", "Speed"])
