"""Bodies of all formats: plain JSON, names of the wire, identities."""

from datetime import UTC, datetime

import pytest

from actors.model.errors import MalformedPayload
from actors.model.readings import Reading
from protocols.payloads import Format, decode_payload, digest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def plain(body: bytes, **sources: str) -> tuple[Reading, ...]:
    return decode_payload(body, Format.JSON, NOW, sources).readings


def test_a_plain_message_holds_readings_of_every_kind() -> None:
    body = (
        b'{"boot": "b1", "seq": 7, "readings": [{"name": "level", "value": 41, "unit": "%",'
        b' "time": "2026-03-01T13:00:00+01:00"}, {"name": "lid", "value": true}, {"name": "note", "value": "x"},'
        b' {"name": "spectrum", "value": [1, 2.5]}]}'
    )
    payload = decode_payload(body, Format.JSON, NOW, {})
    assert payload.own_id == "b1:7"
    assert not payload.timed
    assert [reading.value for reading in payload.readings] == [41.0, True, "x", (1.0, 2.5)]
    assert payload.readings[0] == Reading(name="level", value=41.0, unit="%", observed_at=NOW)


def test_one_reading_needs_no_list() -> None:
    payload = decode_payload(b'{"name":"level","value":3,"time":"2026-03-01T12:00:00Z"}', Format.JSON, NOW, {})
    assert payload.readings == (Reading(name="level", value=3.0, observed_at=NOW),)
    assert payload.timed
    assert payload.own_id is None


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "truncated"),
        (b"[]", "expected `object`|Expected `object`"),
        (b"{}", "expected 'readings', or one reading"),
        (b'{"readings": []}', r"\$\.readings"),
        (b'{"readings": [{"name": "level"}]}', r"\$\.readings\[0\]"),
        (b'{"readings": [{"name": "level", "value": null}]}', r"\$\.readings\[0\]\.value"),
        (b'{"readings": [{"name": "level", "value": 1, "wert": 2}]}', r"wert.*\$\.readings\[0\]"),
        (b'{"readings": [{"name": "level", "value": 1, "time": "2026-03-01T12:00:00"}]}', r"\$\.readings\[0\]\.time"),
        (b'{"readings": [{"name": "level", "value": 1, "time": "0001-01-01T00:00:00+01:00"}]}', "reading 0, 'time'"),
        (b'{"name": "level", "value": 1, "readings": [{"name": "level", "value": 1}]}', "got both"),
        (b'{"boot": "b", "name": "level", "value": 1}', "'boot' and 'seq' together"),
        (b'{"boot": "b b", "seq": 1, "name": "level", "value": 1}', r"\$\.boot"),
        (b'{"boot": "b", "seq": -1, "name": "level", "value": 1}', r"\$\.seq"),
        (b'{"name": "level", "value": 1e999}', "out of range"),
        (b'{"name": "\xff", "value": 1}', "JSON"),
    ],
)
def test_a_bad_plain_message_is_refused_with_its_place(body: bytes, place: str) -> None:
    with pytest.raises(MalformedPayload, match=place):
        plain(body)


def test_names_of_the_wire_become_properties() -> None:
    assert plain(b'{"name": "3435/0/2", "value": 1}', level="3435/0/2")[0].name == "level"
    body = b'[{"bn":"urn:dev:x:","n":"3435/0/2","v":1},{"n":"other","v":1},{"n":"note","vs":"x"}]'
    sources = {"level": "3435/0/2", "lid_open": "urn:dev:x:other"}
    readings = decode_payload(body, Format.SENML_JSON, NOW, sources).readings
    assert [reading.name for reading in readings] == ["level", "lid_open", "note"]


def test_a_digest_tells_where_one_part_ends() -> None:
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
    assert digest(b"ab", b"c") == digest(b"ab", b"c")
