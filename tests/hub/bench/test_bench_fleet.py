"""The figures of many things come from real hubs: registered over the API, started anew, spoken to by all."""

from hub.bench import fleet


def test_a_small_fleet_is_measured_from_end_to_end() -> None:
    told: list[str] = []
    figures = fleet.measure(told.append, things=40, rounds=1)
    assert figures.keys() == {
        "start.tenfold_things_ratio",
        "start.ready_10k_s",
        "start.ready_100k_s",
        "things.resident_100k_mib",
        "things.import_per_s",
    }
    assert min(value for name, value in figures.items() if name != "things.resident_100k_mib") > 0
    assert told[-1] == "message 4 of 4 of 40 things"
