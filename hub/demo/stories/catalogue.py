"""All stories, in the order in which they are told."""

from typing import Final

from hub.demo.stories import crash, supply
from hub.demo.telling import Story

STORIES: Final[tuple[Story, ...]] = (supply.STORY, crash.STORY)
