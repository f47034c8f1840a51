"""A link to a real server: values, order, acknowledgement, things that come and go."""

import asyncio
from typing import Any

import msgspec

from actors.model.ids import ThingId
from actors.model.profiles import ThingProfile
from actors.model.readings import PrincipalKind, Quality, ReadingRefusal
from hub.clock import SystemClock
from protocols.opcua.config import EndpointConfig
from protocols.opcua.supervision import Link


async def test_values_arrive_in_order_with_their_source_times(plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    async with hub.running(plant.url, items=4) as link:
        started = SystemClock().now()
        plant.do("play", rows=[{f"{machine}.Cycle": number} for number in range(50)])
        await link.until(lambda: len(link.values("cycle")) == 50)
        readings = [reading for message in hub.kit.sink.stored for reading in message.readings]
    times = [reading.observed_at for reading in readings]
    assert [reading.value for reading in readings] == list(range(50))
    assert started <= times[0]
    assert times == sorted(set(times))


async def test_a_response_becomes_one_message_a_thing(plant: Any, hub: Any) -> None:
    machines = {plant.define(): f"engine-{number}" for number in (1, 2)}
    for machine, thing_id in machines.items():
        hub.register(machine, thing_id)
    async with hub.running(plant.url, items=8) as link:
        values = {f"{machine}.Snapshot": [1.5, 2.5] for machine in machines}
        plant.do("set", values=values | {f"{machine}.Cycle": 7 for machine in machines})
        await link.until(lambda: len(link.values("cycle")) == 2)
    assert [
        (principal.kind, principal.name, message.thing_id, [(told.name, told.value) for told in message.readings])
        for principal, message in hub.kit.sink.received
    ] == [
        (PrincipalKind.LINK, "opcua:plant", ThingId(thing_id), [("snapshot", (1.5, 2.5)), ("cycle", 7.0)])
        for thing_id in ("engine-1", "engine-2")
    ]


async def test_quality_and_status_come_with_the_value(plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    async with hub.running(plant.url, items=4) as link:
        plant.do("set", values={f"{machine}.Level": 40.0})
        plant.do("set", values={f"{machine}.Level": 39.0}, status="UncertainSensorNotAccurate")
        plant.do("set", values={f"{machine}.Level": 38.0}, status="BadSensorFailure")
        await link.until(lambda: len(link.values("level")) == 3)
    readings = [told for message in hub.kit.sink.stored for told in message.readings]
    assert [(told.value, told.quality, told.status) for told in readings] == [
        (40.0, Quality.GOOD, None),
        (39.0, Quality.UNCERTAIN, "UncertainSensorNotAccurate"),
        (39.0, Quality.BAD, "BadSensorFailure"),  # this server sends no value then: the last one stands in
    ]


async def test_the_server_keeps_a_notification_until_it_is_stored(start_plant: Any, hub: Any) -> None:
    plant = start_plant()  # it counts the subscriptions of all
    machine = plant.define()
    hub.register(machine)
    async with hub.running(plant.url, items=4) as link:
        hub.kit.sink.withhold()
        plant.do("set", values={f"{machine}.Level": 40.0})
        await hub.kit.sink.arrived(1)
        assert plant.unacknowledged() == 1
        hub.kit.sink.release()
        assert await plant.settled()
        assert link.count("accepted") == 1


async def test_a_hub_that_is_slow_slows_the_server_and_loses_nothing(plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    async with hub.running(plant.url, items=4, in_flight=2) as link:
        hub.kit.sink.withhold()
        rows = [{f"{machine}.Cycle": number} for number in range(20)]
        await asyncio.to_thread(plant.do, "play", rows=rows, every_ms=15)
        await hub.kit.sink.arrived(1)
        assert len(hub.kit.sink.messages) == 1  # the thing's next message waits for the first
        hub.kit.sink.release()
        assert await plant.settled()
        assert link.values("cycle") == list(range(20))
        assert link.count("lost_notifications") == 0


async def test_a_busy_hub_gets_the_message_again_and_later_ones_do_not_overtake(plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    async with hub.running(plant.url, items=4) as link:
        hub.kit.sink.refuse(ReadingRefusal.BUSY, retry_after_s=0.01)
        rows = [{f"{machine}.Cycle": number} for number in range(3)]
        await asyncio.to_thread(plant.do, "play", rows=rows, every_ms=30)
        await link.until(lambda: link.count("retried") > 3)
        assert plant.unacknowledged() >= 1
        hub.kit.sink.store()
        assert await plant.settled()
        assert link.values("cycle") == [0.0, 1.0, 2.0]


async def test_what_is_refused_for_good_is_counted_and_acknowledged(plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    async with hub.running(plant.url, items=4) as link:
        hub.kit.sink.refuse(ReadingRefusal.OUT_OF_RANGE)
        plant.do("set", values={f"{machine}.Level": 400.0})
        await link.until(lambda: link.count("refused") == 1)
        assert await plant.settled()
        assert link.state == "up"


async def test_a_structure_is_counted_as_malformed_and_spoils_nothing(plant: Any, hub: Any) -> None:
    machine = plant.define()
    build_info = "i=2260"  # Server_ServerStatus_BuildInfo
    hub.kit.things.register(_with_note_at(hub.register(machine), build_info))
    async with hub.running(plant.url, items=4) as link:
        plant.do("set", values={f"{machine}.Level": 40.0})
        await link.until(lambda: link.values("level") == [40.0])
        assert link.count("malformed") == 1
        assert link.state == "up"


def _with_note_at(thing: Any, address: str) -> Any:
    profile: ThingProfile = thing.profile
    sources = {"opcua": profile.sources["opcua"] | {"note": address}}
    return msgspec.structs.replace(thing, profile=msgspec.structs.replace(profile, sources=sources))


async def test_things_come_and_go_while_the_link_runs(plant: Any, hub: Any) -> None:
    first, second = plant.define(), plant.define()
    hub.register(first, "engine-1")
    async with hub.running(plant.url, items=4) as link:
        hub.register(second, "engine-2")
        await link.until(lambda: link.count("items") == 8)
        plant.do("set", values={f"{second}.Level": 12.0})
        await link.until(lambda: link.values("level") == [12.0])
        hub.kit.things.retire(ThingId("engine-1"))
        await link.until(lambda: link.count("items") == 4)
        plant.do("set", values={f"{first}.Level": 1.0, f"{second}.Level": 11.0})
        await link.until(lambda: 11.0 in link.values("level"))
        assert link.values("level") == [12.0, 11.0]


async def test_a_node_that_appears_later_is_monitored_then(plant: Any, hub: Any) -> None:
    hub.register("later")
    async with hub.running(plant.url) as link:
        await link.until(lambda: link.count("items_refused") == 4)
        plant.do("define", machines={"later": {"Level": "number", "Cycle": "count"}})
        await link.until(lambda: link.count("items") == 2)
        assert link.count("items_refused") == 2


async def test_a_thing_that_cannot_be_bound_does_not_hinder_others(plant: Any, hub: Any) -> None:
    hub.register(plant.define(), "engine-1")
    hub.register("nowhere", "engine-2", endpoint="elsewhere")
    unbound = msgspec.structs.replace(hub.register("x", "engine-3"), options={"endpoint": "plant"})
    hub.kit.things.register(unbound)
    async with hub.running(plant.url, items=4) as link:
        assert link.count("things_unserved") == 1
        assert link.count("items_refused") == 1


async def test_a_hundred_machines_tell_their_first_values(plant: Any, hub: Any) -> None:
    machines = [plant.define() for _ in range(100)]
    plant.do("set", values={f"{machine}.Snapshot": [1.0] * 24 for machine in machines})
    for number, machine in enumerate(machines):
        hub.register(machine, f"engine-{number}")
    async with hub.running(plant.url, items=400) as link:
        await link.until(lambda: len(link.values("snapshot")) == 100)
        assert {len(message.readings) for message in hub.kit.sink.stored} == {1}


async def test_closing_ends_the_subscription_at_the_server(start_plant: Any, hub: Any) -> None:
    plant = start_plant()  # it counts the subscriptions of all
    hub.register(plant.define())
    async with hub.running(plant.url, items=4, request_timeout_s=100):
        assert plant.do("settle", within_s=0)["subscriptions"] == 1
        closing_at = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - closing_at < 30
    assert plant.do("settle", within_s=0)["subscriptions"] == 0


async def test_a_link_ends_in_whatever_moment_of_a_failed_attempt_it_is_cancelled(hub: Any) -> None:
    unserved = EndpointConfig(url="opc.tcp://127.0.0.1:1/")
    for moments in range(12):
        async with asyncio.TaskGroup() as group:
            run = group.create_task(Link("plant", unserved, hub.kit.deps()).run())
            for _ in range(moments):
                await asyncio.sleep(0)
            run.cancel()
            ended, _ = await asyncio.wait([run], timeout=30)
            run.cancel()
            assert ended, moments
