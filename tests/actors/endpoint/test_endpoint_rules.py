"""One delivery at a time, tried again until it is taken, given up after days with a reason."""

from datetime import timedelta
from typing import Any

from firm import NOW, OWNER, PRINTER
from world import World

from actors.dialogue import (
    CloseEndpoint,
    Deliver,
    DeliveryReported,
    EnableEndpoint,
    NoticeFound,
    OpenEndpoint,
    endpoint_address,
)
from actors.endpoint.state import MOST_WAITING
from actors.model.endpoints import (
    Delivered,
    DeliveryOutcome,
    Endpoint,
    EndpointId,
    EndpointView,
    Gone,
    Notice,
    Topic,
    Undelivered,
    Unreadable,
)

ID = EndpointId("ep_1")
ADDRESS = endpoint_address(ID)
ENDPOINT = Endpoint(endpoint_id=ID, owner_id=OWNER, url="https://example.com/hook", registered_at=NOW)


def opened(**changes: Any) -> World:
    world = World()
    world.send(ADDRESS, OpenEndpoint(endpoint=Endpoint(**{**_fields(ENDPOINT), **changes})))
    return world


def _fields(endpoint: Endpoint) -> dict[str, Any]:
    return {name: getattr(endpoint, name) for name in endpoint.__struct_fields__}


def notice(number: int, topic: Topic = Topic.ORDER) -> Notice:
    return Notice(notice_id=f"evt_{number}", topic=topic, thing_id=PRINTER, at=NOW, shard=0, note=number)


def find(world: World, *numbers: int) -> None:
    for number in numbers:
        world.send(ADDRESS, NoticeFound(notice=notice(number)))


def report(world: World, number: int, outcome: DeliveryOutcome) -> None:
    world.send(ADDRESS, DeliveryReported(notice_id=f"evt_{number}", outcome=outcome))


def sent(world: World) -> list[tuple[str, int]]:
    return [(job.notice.notice_id, job.attempt) for job in world.other_work if isinstance(job, Deliver)]


def view(world: World) -> EndpointView:
    found: EndpointView = world.records["endpoint", ID]
    return found


FAILED = Undelivered(reason="it answered 500", again_s=30.0)


def test_the_next_notice_leaves_when_the_first_was_taken() -> None:
    world = opened()
    find(world, 1, 2)
    assert sent(world) == [("evt_1", 1)]
    report(world, 1, Delivered(status=204))
    assert sent(world) == [("evt_1", 1), ("evt_2", 1)]
    report(world, 2, Delivered(status=204))
    assert (view(world).delivered, view(world).waiting) == (2, 0)


def test_what_was_not_taken_is_tried_again_when_its_time_has_come_and_not_before() -> None:
    world = opened()
    find(world, 1)
    report(world, 1, FAILED)
    find(world, 2)
    assert sent(world) == [("evt_1", 1)]
    assert view(world).next_try_at == NOW + timedelta(seconds=30)
    assert view(world).last_failure == "it answered 500"
    world.advance(30)
    assert sent(world) == [("evt_1", 1), ("evt_1", 2)]


def test_after_days_without_success_it_is_disabled_with_the_reason_and_misses_what_comes() -> None:
    world = opened()
    find(world, 1)
    for _ in range(80):
        report(world, 1, Undelivered(reason="it answered 500", again_s=3600.0))
        world.advance(3600)
    assert "nothing was taken since" in view(world).disabled
    assert "it answered 500" in view(world).disabled
    tried = len(sent(world))
    assert 72 <= tried <= 74
    find(world, 2)
    assert (view(world).waiting, view(world).dropped, len(sent(world))) == (1, 1, tried)


def test_gone_disables_at_once_and_enabling_tries_what_waits() -> None:
    world = opened()
    find(world, 1)
    report(world, 1, Gone(reason="it answered 410 Gone"))
    assert view(world).disabled == "it answered 410 Gone"
    world.send(ADDRESS, EnableEndpoint(by="firm"))
    assert sent(world) == [("evt_1", 1), ("evt_1", 1)]
    assert not view(world).disabled


def test_what_cannot_be_told_any_more_holds_nobody_up() -> None:
    world = opened()
    find(world, 1, 2)
    report(world, 1, Unreadable(reason="its note cannot be found"))
    assert sent(world)[-1] == ("evt_2", 1)
    assert view(world).dropped == 1


def test_an_endpoint_hears_only_of_what_it_asked_for() -> None:
    world = opened(topics=(Topic.COMMAND,))
    find(world, 1)
    world.send(ADDRESS, NoticeFound(notice=notice(2, Topic.COMMAND)))
    assert sent(world) == [("evt_2", 1)]


def test_only_so_many_wait_and_the_oldest_that_is_not_on_its_way_makes_room() -> None:
    world = opened()
    find(world, *range(MOST_WAITING + 5))
    waiting = [one.note for one in world.state(ADDRESS).waiting]
    assert (len(waiting), waiting[:2], view(world).dropped) == (MOST_WAITING, [0, 6], 5)


def test_a_late_word_about_a_deleted_endpoint_changes_nothing() -> None:
    world = opened()
    find(world, 1)
    world.send(ADDRESS, CloseEndpoint(by="firm"))
    report(world, 1, FAILED)
    find(world, 2)
    assert ("endpoint", ID) not in world.records
    assert len(sent(world)) == 1
