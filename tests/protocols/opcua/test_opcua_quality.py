"""Quality goes bad when a link is lost, and good again with it."""

from datetime import timedelta
from typing import Any

from actors.model.readings import Quality


async def test_a_lost_link_makes_values_bad_until_it_is_back(path: Any, plant: Any, hub: Any) -> None:
    machine = plant.define()
    hub.register(machine)
    async with hub.running(path.url, items=4, silence_s=2.0, request_timeout_s=2.0) as link:
        plant.do("set", values={f"{machine}.Level": 40.0})
        await link.until(lambda: link.values("level") == [40.0])
        path.flows.clear()
        await hub.kit.sink.arrived(2)
        path.flows.set()
        await link.until(lambda: len(hub.kit.sink.stored) >= 3)
        plant.do("set", values={f"{machine}.Level": 39.0})
        await link.until(lambda: link.values("level") == [40.0, 39.0])
    told = [
        (reading.value, reading.quality, reading.status)
        for message in hub.kit.sink.stored
        for reading in message.readings
    ]
    assert told == [
        (40.0, Quality.GOOD, None),
        (40.0, Quality.BAD, "BadNoCommunication"),
        (40.0, Quality.GOOD, None),
        (39.0, Quality.GOOD, None),
    ]
    times = [reading.observed_at for message in hub.kit.sink.stored for reading in message.readings]
    assert times[1] - times[0] == timedelta(microseconds=1)  # older than all that the server kept meanwhile
    assert times == sorted(set(times))
