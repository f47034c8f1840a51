"""Record ids: the checksum that tells capitals."""

from hypothesis import given
from hypothesis import strategies as st

from crm_adapters.salesforce.sandbox.ids import checksum, long_id, numbered_id

SHORT_IDS = st.text(alphabet="ABCXYZabcxyz0189", min_size=15, max_size=15)


def test_the_checksum_is_the_vendors() -> None:
    assert checksum("001D000000IRt53") == "IAD"


def test_no_capitals_give_the_lowest_checksum_and_all_the_highest() -> None:
    assert checksum("a" * 15) == "AAA"
    assert checksum("Z" * 15) == "555"


@given(SHORT_IDS)
def test_both_lengths_name_the_same_record(short: str) -> None:
    assert long_id(short) == short + checksum(short) == long_id(short + checksum(short))


def test_a_wrong_checksum_or_character_is_no_id() -> None:
    assert long_id("001D000000IRt53IAA") is None
    assert long_id("001D000000IRt5-") is None
    assert long_id("001") is None


def test_numbered_ids_carry_the_prefix_and_never_repeat() -> None:
    made = {numbered_id("801", number) for number in range(5000)}
    assert len({identifier.casefold() for identifier in made}) == 5000
    assert all(identifier.startswith("801") and long_id(identifier) == identifier for identifier in made)
