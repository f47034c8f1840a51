"""The registry reads what it is asked for, remembers it, and sees every commit at once."""

from typing import Any

import pytest
from firm import NOW, OWNER, PRINTER, PROFILE, record
from shelf import Shelf

from actors.model.ids import ThingId
from actors.model.readings import Principal, PrincipalKind
from actors.model.things import Connection
from hub.registry import Credential, Registry, token_hash

TOKEN = token_hash("secret")
OPERATOR = Principal(kind=PrincipalKind.OPERATOR, name="operator")


class Desk:
    """A registry on a shelf; ``commit`` writes a thing and tells the registry, as the engine does."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.registry = Registry({"printer": PROFILE}, {}, self.shelf)
        self.told: list[list[str]] = []

    def commit(self, *things: Any) -> None:
        self.registry.follow([self.shelf.put_thing(thing) for thing in things])

    def cost(self, look: Any) -> int:
        """Return how many rows a look-up reads."""
        before = self.shelf.reads
        look()
        return self.shelf.reads - before


@pytest.fixture
def desk() -> Desk:
    return Desk()


def opcua(thing_id: str, **changes: Any) -> Any:
    return record(thing_id=thing_id, connection=Connection(protocol="opcua", options={"endpoint": "plant"}), **changes)


def test_nothing_is_read_before_somebody_asks(desk: Desk) -> None:
    desk.commit(*(record(thing_id=f"t{number}") for number in range(1000)))
    assert desk.shelf.reads == 0


def test_what_a_commit_told_of_a_thing_is_not_read_again(desk: Desk) -> None:
    for serial in ("S1", "S2"):
        desk.commit(record(serial=serial))
    assert desk.cost(lambda: desk.registry.find(PRINTER)) == 0


def test_a_thing_is_read_once_and_then_known(desk: Desk) -> None:
    desk.shelf.put_thing(record(serial="S1"))
    assert desk.cost(lambda: desk.registry.find(PRINTER)) == 1
    found = desk.registry.find(PRINTER)
    assert found is not None
    assert (found.owner_id, found.profile, found.serial) == (OWNER, PROFILE, "S1")
    assert desk.cost(lambda: [desk.registry.find(PRINTER) for _ in range(9)]) == 0


def test_a_token_that_is_no_text_is_nobodys(desk: Desk) -> None:
    assert desk.registry.by_bearer(b"\xff\xfe".decode(errors="surrogateescape")) is None


def test_who_does_not_exist_is_looked_for_once_until_it_is_registered(desk: Desk) -> None:
    assert desk.registry.find(PRINTER) is None
    assert desk.registry.by_bearer("secret") is None
    assert desk.cost(lambda: (desk.registry.find(PRINTER), desk.registry.by_bearer("secret"))) == 0
    desk.commit(record(token_sha256=TOKEN))
    assert desk.registry.find(PRINTER) is not None
    assert desk.registry.by_bearer("secret") is not None


def test_a_changed_thing_is_seen_at_once(desk: Desk) -> None:
    for serial in ("S1", "S2"):
        desk.commit(record(serial=serial))
        found = desk.registry.find(PRINTER)
        assert found is not None
        assert found.serial == serial


def test_a_retired_thing_is_neither_found_nor_let_in(desk: Desk) -> None:
    desk.commit(record(token_sha256=TOKEN))
    assert desk.registry.by_bearer("secret") is not None
    desk.commit(record(token_sha256=TOKEN, retired_at=NOW))
    assert (desk.registry.find(PRINTER), desk.registry.by_bearer("secret")) == (None, None)
    known = desk.registry.record(PRINTER)
    assert known is not None
    assert known.retired_at == NOW


def test_a_new_token_ends_the_old_one(desk: Desk) -> None:
    desk.commit(record(token_sha256=TOKEN))
    first = desk.registry.by_bearer("secret")
    desk.commit(record(token_sha256=token_hash("another")))
    assert (desk.registry.by_bearer("secret"), desk.registry.by_bearer("another")) == (None, first)
    assert first == Principal(kind=PrincipalKind.THING, name=PRINTER, thing_id=PRINTER, owner_id=OWNER)


def test_a_token_in_use_costs_no_reading(desk: Desk) -> None:
    desk.commit(record(token_sha256=TOKEN))
    for _ in range(2):
        desk.registry.by_bearer("secret")
    assert desk.cost(lambda: desk.registry.by_bearer("secret")) == 0


def test_owners_and_the_operator_are_let_in_by_their_tokens(desk: Desk) -> None:
    owner = Principal(kind=PrincipalKind.OWNER, name=OWNER, owner_id=OWNER)
    assert desk.registry.by_bearer("owners") is None
    desk.registry.follow([desk.shelf.put("credential", token_hash("owners"), Credential(principal=owner))])
    desk.registry.admit("operators", OPERATOR)
    found = [desk.registry.by_bearer(token) for token in ("owners", "operators", "", "somebody's")]
    assert found == [owner, OPERATOR, None, None]


def test_a_thing_without_its_profile_is_not_connected_and_keeps_its_record(desk: Desk) -> None:
    desk.commit(record(profile="gone"))
    assert desk.registry.find(PRINTER) is None
    assert desk.registry.record(PRINTER) is not None


def test_only_the_things_of_a_protocol_are_read_for_it(desk: Desk) -> None:
    desk.commit(*(record(thing_id=f"t{number}") for number in range(100)))
    desk.commit(opcua("b"), opcua("a"), opcua("c", retired_at=NOW))
    assert desk.cost(lambda: desk.registry.connected_by("opcua")) == 3
    assert [thing.thing_id for thing in desk.registry.connected_by("opcua")] == ["a", "b"]


def test_of_changed_things_those_of_a_protocol_are_told(desk: Desk) -> None:
    desk.commit(record(thing_id="t1"), opcua("b"), opcua("a"))
    changed = [ThingId(name) for name in ("b", "t1", "unknown")]
    assert [thing.thing_id for thing in desk.registry.connected_by("opcua", changed)] == ["b"]


def test_watchers_are_called_once_a_commit_with_all_that_changed(desk: Desk) -> None:
    told: list[list[str]] = []
    stop = desk.registry.on_change(lambda things: told.append(list(things)))
    desk.commit(*(record(thing_id=f"t{number}") for number in range(500)), record(thing_id="t0"))
    desk.registry.follow([desk.shelf.put("order", "o1", {})])
    assert told == [[f"t{number}" for number in range(500)]]
    stop()
    desk.commit(record(thing_id="t1"))
    assert len(told) == 1


def test_a_watcher_sees_the_new_state_of_what_it_is_told(desk: Desk) -> None:
    desk.commit(record(serial="old"))
    seen: list[Any] = []
    desk.registry.on_change(lambda things: seen.extend(desk.registry.find(thing) for thing in things))
    desk.registry.find(PRINTER)
    desk.commit(record(serial="new"))
    assert [thing.serial for thing in seen] == ["new"]


def test_records_come_in_pages_by_id_and_by_owner(desk: Desk) -> None:
    desk.commit(*(record(thing_id=f"t{number}") for number in range(10)))
    first = desk.registry.records(limit=4)
    rest = desk.registry.records(OWNER, after=first[-1].thing_id)
    assert [thing.thing_id for thing in (*first, *rest)] == [f"t{number}" for number in range(10)]
    assert desk.registry.records(OWNER, after="t9") == []
