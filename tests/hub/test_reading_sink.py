"""The reading sink: who may say what, and values that would harm the hub are told as wrong."""

from typing import Any

import pytest
from firm import PRINTER, PROFILE, record, told
from msgspec.structs import replace
from shelf import Shelf

from actors.model.readings import (
    AnyDeviceMessage,
    DeviceMessage,
    PlainMessage,
    Principal,
    PrincipalKind,
    Quality,
    Reading,
    ReadingRefusal,
    Refused,
    Stored,
)
from actors.runtime.cells import NotTaken, Taken, encode
from actors.runtime.journal import JournalUnavailable
from hub.ingest import DurableSink
from hub.registry import Registry

R = ReadingRefusal
SENSOR = Principal(kind=PrincipalKind.THING, name=PRINTER, thing_id=PRINTER)
LINK = Principal(kind=PrincipalKind.LINK, name="plant")


class Engine:
    """Takes every message, or answers as told."""

    def __init__(self, outcome: Any = Taken()) -> None:  # noqa: B008 - a frozen value
        self.taken: list[AnyDeviceMessage] = []
        self._outcome = outcome

    def deliver(self, address: str, message: Any, message_id: str, settle: Any, token: Any, packed: bytes) -> bool:
        assert packed == encode(message)
        self.taken.append(message)
        settle(token, self._outcome)
        return True


def sink(engine: Engine, **changes: Any) -> DurableSink:
    shelf = Shelf()
    shelf.put_thing(record(**changes))
    return DurableSink(engine, Registry({"printer": PROFILE}, {}, shelf))  # type: ignore[arg-type] # the part of an engine that it uses


def receipt(message: DeviceMessage, *, who: Principal = SENSOR, engine: Engine | None = None, **changes: Any) -> Any:
    answers: list[Any] = []
    sink(engine or Engine(), **changes).accept(who, message, answers.append)
    (answer,) = answers
    return answer


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (told("b:1", coffee=1.0), R.UNKNOWN_PROPERTY),
        (told("b:1", ink="much"), R.WRONG_TYPE),
        (told("b:1", ink=True), R.WRONG_TYPE),
        (told("b:1", ink=100.5), R.OUT_OF_RANGE),
        (told("b:1", pages=float("inf")), R.OUT_OF_RANGE),
        (told("b:1", pages=float("nan")), R.OUT_OF_RANGE),
        (told("b:1", pages=10**400), R.OUT_OF_RANGE),
        (told("b:1", snapshot=(1.0, 2.0)), R.WRONG_TYPE),
        (told("b:1", snapshot=(1, 2, 10**400)), R.OUT_OF_RANGE),
        (told("b:1"), R.EMPTY),
        (told("b:1", thing_id="nobody", ink=1.0), R.UNKNOWN_THING),
    ],
)
def test_what_the_profile_does_not_allow_is_refused_with_its_reason(message: DeviceMessage, code: Any) -> None:
    engine = Engine()
    refused = receipt(message, who=LINK, engine=engine)
    assert (refused.code, bool(refused.detail), engine.taken) == (code, True, [])


@pytest.mark.parametrize("value", [2**70, 7, 7.0])
def test_numbers_are_kept_as_what_the_journal_can_hold(value: Any) -> None:
    engine = Engine()
    assert receipt(told("b:1", pages=value), engine=engine) == Stored()
    (kept,) = engine.taken[0].readings
    assert (kept.value, type(kept.value)) == (float(value), float)


def test_numbers_in_their_own_units_are_told_shortly() -> None:
    engine = Engine()
    message = told("b:1", ink=5.0, pages=7.0)
    assert receipt(message, engine=engine) == Stored()
    assert engine.taken == [
        PlainMessage(
            message_id="b:1",
            received_at=message.received_at,
            protocol="http",
            names=("ink", "pages"),
            values=(5.0, 7.0),
        )
    ]


@pytest.mark.parametrize(
    "readings",
    [
        (Reading(name="ink", value=5.0, observed_at=told("b:1").received_at),),
        (Reading(name="ink", value=5.0, quality=Quality.UNCERTAIN),),
        (Reading(name="ink", value=5.0, status="GoodClamped"),),
        (Reading(name="ink", value=5.0), Reading(name="ink", value=6.0)),
        (Reading(name="ink", value=5.0), Reading(name="fault", value="E1")),
    ],
)
def test_what_says_more_than_numbers_is_kept_whole(readings: tuple[Reading, ...]) -> None:
    engine = Engine()
    assert receipt(replace(told("b:1"), readings=readings), engine=engine) == Stored()
    (kept,) = engine.taken
    assert isinstance(kept, DeviceMessage)
    assert [replace(reading, unit=None) for reading in kept.readings] == list(readings)


def test_values_are_kept_in_the_profiles_unit() -> None:
    engine = Engine()
    message = told("b:1", ink=0.0)
    wanted = DeviceMessage(
        thing_id=PRINTER,
        message_id="b:1",
        received_at=message.received_at,
        readings=(Reading(name="ink", value=0.5, unit="/"),),
    )
    assert receipt(wanted, engine=engine) == Stored()
    assert (engine.taken[0].readings[0].value, engine.taken[0].readings[0].unit) == (50.0, "%")


@pytest.mark.parametrize("kind", [PrincipalKind.OWNER, PrincipalKind.OPERATOR, PrincipalKind.THING])
def test_nobody_speaks_for_a_thing_but_itself_and_its_link(kind: PrincipalKind) -> None:
    who = Principal(kind=kind, name="other")
    assert receipt(told("b:1", ink=5.0), who=who).code is R.FOREIGN_THING


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (Taken(duplicate=True), Stored(duplicate=True)),
        (NotTaken("busy", "full", 1.0), Refused(code=R.BUSY, detail="full", retry_after_s=1.0)),
        (NotTaken("storage_down", "disk", 5.0), Refused(code=R.STORAGE_DOWN, detail="disk", retry_after_s=5.0)),
        (NotTaken("failed", "defect"), Refused(code=R.INTERNAL, detail="defect")),
    ],
)
def test_the_device_hears_what_became_of_its_message(outcome: Any, answer: Any) -> None:
    assert receipt(told("b:1", ink=5.0), engine=Engine(outcome)) == answer


def test_a_retired_thing_is_told_that_it_is() -> None:
    retired = {"retired_at": told("b:1").received_at}
    assert receipt(told("b:1", ink=5.0), who=LINK, **retired).code is R.RETIRED_THING


def test_a_disk_that_cannot_be_read_makes_devices_come_back() -> None:
    class Unreadable(Shelf):
        def record(self, kind: str, key: str) -> bytes | None:
            raise JournalUnavailable(f"{kind} {key}")

    answers: list[Any] = []
    registry = Registry({"printer": PROFILE}, {}, Unreadable())
    DurableSink(Engine(), registry).accept(SENSOR, told("b:1", ink=5.0), answers.append)  # type: ignore[arg-type] # as above
    assert [(answer.code, answer.retry_after_s) for answer in answers] == [(R.STORAGE_DOWN, 5.0)]
