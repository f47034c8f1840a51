"""How the demo judges its stories: what a real run left behind is shown, and every change that matters is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.demo.engines import built_in
from hub.demo.stories.catalogue import NAMES, stories
from hub.demo.telling import Evidence, Story, Told

RECORDED = Path(__file__).parent / "recorded_stories.json"
STORIES: dict[str, Story] = {story.name: story for story in stories(built_in())}

Raw = dict[str, Any]


@pytest.fixture
def recorded() -> dict[str, Raw]:
    found: dict[str, Raw] = msgspec.json.decode(RECORDED.read_bytes())
    return found


def judged(name: str, raw: Raw) -> Told:
    evidence = Evidence(orders=raw["orders"], trace=raw["trace"], records=raw["records"], facts=raw["facts"])
    return STORIES[name].judged(evidence)


@pytest.mark.parametrize("name", NAMES)
def test_a_real_run_is_shown(name: str, recorded: dict[str, Raw]) -> None:
    told = judged(name, recorded[name])
    assert [check.what for check in told.checks if not check.holds] == []
    assert told.ok
    assert not told.why.startswith("not shown")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_at_all_shows_nothing(name: str) -> None:
    told = judged(name, {"orders": [], "trace": [], "records": [], "facts": {}})
    assert not told.ok
    assert told.why.startswith("not shown: ")


@pytest.mark.parametrize("name", NAMES)
def test_a_chain_with_a_hole_is_not_shown(name: str, recorded: dict[str, Raw]) -> None:
    raw = recorded[name]
    raw["trace"] = [note for note in raw["trace"] if note["step"] != "mandate"]
    assert not judged(name, raw).ok


def twice(raw: Raw) -> None:
    raw["records"].append(raw["records"][0])


def gone(raw: Raw) -> None:
    raw["records"].clear()


def dearer(raw: Raw) -> None:
    raw["records"][0]["total_minor"] += 1


def elsewhere(raw: Raw) -> None:
    raw["records"][0]["connection"] = "somewhere"


def under_another_key(raw: Raw) -> None:
    raw["records"][0]["key"] = "I2CANOTHER"


def unconfirmed(raw: Raw) -> None:
    raw["orders"][0]["state"] = "placed"


@pytest.mark.parametrize("name", ["supply", "crash", "outage", "lost_reply", "replacement"])
@pytest.mark.parametrize("change", [twice, gone, dearer, elsewhere, under_another_key, unconfirmed])
def test_an_order_is_once_and_as_agreed(name: str, change: Callable[[Raw], None], recorded: dict[str, Raw]) -> None:
    change(recorded[name])
    assert not judged(name, recorded[name]).ok


@pytest.mark.parametrize(
    ("name", "fact", "value", "said"),
    [
        ("supply", "messages", 36, "every acknowledged message is there once"),
        ("crash", "stored", 149, "no acknowledged reading is lost or there twice"),
        ("crash", "stored", 151, "no acknowledged reading is lost or there twice"),
        ("crash", "acknowledged", 149, "every reading was acknowledged in the end"),
        ("crash", "stored_before_the_kill", 150, "the kill came in the middle"),
        ("crash", "dead_letters", 1, "nothing became a dead letter"),
        ("over_budget", "budget_used_minor", 1, "no money is set aside"),
        ("off_switch", "sent", 1, "no request for it ever left"),
        ("off_switch", "off", {"state": "off", "already_under_way": ["I2C"]}, "lists what was under way"),
        ("off_switch", "queued", {"state": "placing"}, "it was queued when the tank was switched off"),
        ("outage", "stored_in_the_outage", 1, "nothing was stored in the outage"),
        ("outage", "seen", {"reference": "I2C", "waiting": {"reason": "down"}}, "when it is tried next"),
        ("lost_reply", "sent", 2, "the order was sent once and not again"),
        ("lost_reply", "dropped", 0, "the shop dropped the connection"),
        ("replacement", "stored_before_approval", 1, "nothing was ordered before the approval"),
    ],
)
def test_what_else_was_seen_counts(name: str, fact: str, value: Any, said: str, recorded: dict[str, Raw]) -> None:
    recorded[name]["facts"][fact] = value
    told = judged(name, recorded[name])
    assert not told.ok
    assert said in told.why


@pytest.mark.parametrize("name", ["over_budget", "off_switch"])
def test_a_held_order_must_be_in_no_crm(name: str, recorded: dict[str, Raw]) -> None:
    raw = recorded[name]
    raw["records"].append({**recorded["supply"]["records"][0], "thing": raw["orders"][0]["thing_id"]})
    assert "no CRM holds anything of" in judged(name, raw).why


def test_a_held_order_says_why_and_what_next(recorded: dict[str, Raw]) -> None:
    recorded["over_budget"]["orders"][0]["next_step"] = ""
    assert "a sentence and a next step tell the owner" in judged("over_budget", recorded["over_budget"]).why


def test_a_service_request_needs_a_visit_at_the_time_that_the_hub_tells(recorded: dict[str, Raw]) -> None:
    visit = next(row for row in recorded["service"]["records"] if row["kind"] == "appointment")
    visit["scheduled_start"] = "2031-01-01T08:00:00Z"
    assert judged("service", recorded["service"]).why == "not shown: that is the time the hub tells"


def test_a_dearer_choice_is_not_shown(recorded: dict[str, Raw]) -> None:
    choice = next(note for note in recorded["supply"]["trace"] if note["step"] == "choice")
    choice["best"]["landed"]["minor"] = 9999
    assert "its landed cost is the lowest" in judged("supply", recorded["supply"]).why


def test_a_warning_of_too_few_owners_is_not_shown(recorded: dict[str, Raw]) -> None:
    advice = next(note for note in recorded["replacement"]["trace"] if note["step"] == "advice")
    advice["advice"]["evidence"]["owners"] = 4
    assert "enough other owners stand behind it" in judged("replacement", recorded["replacement"]).why
