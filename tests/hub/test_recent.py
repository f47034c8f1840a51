"""The memory of look-ups keeps what is in use and never grows beyond its bound."""

from hub.recent import Recent


def test_what_was_asked_for_last_is_kept_and_the_rest_is_bounded() -> None:
    recent: Recent[int, int] = Recent(10)
    for key in range(1000):
        recent.put(key, key)
        assert recent.kept <= 20
    assert [recent[key] for key in range(990, 1000)] == list(range(990, 1000))
    assert recent[0] is None


def test_a_key_in_use_outlives_any_number_of_others() -> None:
    recent: Recent[str, int] = Recent(10)
    recent.put("used", 1)
    for key in range(1000):
        recent.put(f"once-{key}", 0)
        assert key % 9 or recent["used"] == 1


def test_a_forgotten_key_is_gone_from_both_generations() -> None:
    recent: Recent[int, int] = Recent(2)
    for key in (1, 2, 3):
        recent.put(key, key)
    for key in (1, 3):
        recent.drop(key)
    assert [recent[key] for key in (1, 2, 3)] == [None, 2, None]
    recent.clear()
    assert (recent.kept, recent[2]) == (0, None)


def test_a_value_is_replaced_wherever_it_stands() -> None:
    recent: Recent[int, str] = Recent(2)
    for key in (1, 2, 3):
        recent.put(key, "old")
    recent.put(1, "new")
    assert (recent[1], recent.kept) == ("new", 3)
