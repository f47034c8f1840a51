"""All stories, in the order in which they are told."""

from collections.abc import Sequence
from typing import Final

from hub.demo.engines import Engines
from hub.demo.stories import crash, lost_reply, off_switch, outage, over_budget, replacement, service, supply
from hub.demo.telling import Story

NAMES: Final = (
    "supply",
    "crash",
    "over_budget",
    "off_switch",
    "outage",
    "lost_reply",
    "replacement",
    "service",
)


def stories(engines: Engines, names: Sequence[str] = NAMES) -> list[Story]:
    """Return the stories of these names in the order of telling; the replacement is played by ``engines``."""
    all_stories = (
        supply.STORY,
        crash.STORY,
        over_budget.STORY,
        off_switch.STORY,
        outage.STORY,
        lost_reply.STORY,
        replacement.story(engines),
        service.STORY,
    )
    return [story for story in all_stories if story.name in names]
