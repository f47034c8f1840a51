"""Slots are for ever: rows of every journal lie where this function said when they were written."""

import pytest

from actors.dialogue import community_address, desk_relay, order_address, owner_address, thing_address
from actors.dialogue.placement import SLOTS, ShardMap, placement_key, slot_of
from actors.model.ids import CommunityId, OrderKey, OwnerId, ThingId

GOLDEN = {
    "printer-1": 929,
    "press.7": 2224,
    "firm": 3349,
    "office": 1804,
    "I2CABCDEFGHIJKLMNOPQRSTUVWXYZ": 3951,
    "shop": 1798,
    "Ångström": 3245,
}
"""Key -> slot, from the first release with slots. A change here would leave things where nobody looks for them."""


@pytest.mark.parametrize("key", GOLDEN)
def test_a_key_has_the_slot_that_it_always_had(key: str) -> None:
    assert slot_of(key) == GOLDEN[key]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        (thing_address(ThingId("printer-1")), "printer-1"),
        (owner_address(OwnerId("firm@example.org")), "firm@example.org"),
        (community_address(CommunityId("office")), "office"),
        ("community/office/3f", "office/3f"),
        (order_address(OrderKey("I2CX")), "I2CX"),
        (desk_relay("shop/eu"), "shop/eu"),
    ],
)
def test_an_address_is_placed_by_what_it_names(address: str, key: str) -> None:
    assert placement_key(address) == key


@pytest.mark.parametrize("address", ["shard/1", "compute", "thing/", ""])
def test_what_has_no_place_is_told(address: str) -> None:
    with pytest.raises(ValueError, match="has no place"):
        placement_key(address)


@pytest.mark.parametrize("shards", [1, 3, 4, 7, SLOTS])
def test_every_slot_belongs_to_one_shard_and_shards_are_as_large_as_each_other(shards: int) -> None:
    sizes = [0] * shards
    for slot in range(SLOTS):
        sizes[ShardMap(shards).shard_of_slot(slot)] += 1
    assert max(sizes) - min(sizes) <= 1


def test_things_spread_over_shards() -> None:
    sizes = [0] * 4
    for number in range(4000):
        sizes[ShardMap(4).shard_of(f"thing/sensor-{number:05}")] += 1
    assert min(sizes) > 900


@pytest.mark.parametrize("shards", [0, -1, SLOTS + 1])
def test_a_number_of_shards_that_slots_cannot_fill_is_refused(shards: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 4096 shards"):
        ShardMap(shards)
