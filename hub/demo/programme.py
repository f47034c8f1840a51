"""In which order the stories are played: first those that need the stage alone, then side by side what can be."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from hub.demo.stage import Plant, Stage
from hub.demo.telling import Check, Evidence, Show, Story, Teller, Told

_ALONE: Final = ("supply", "crash")
_LANES: Final = (("over_budget", "lost_reply", "outage", "off_switch"), ("replacement",), ("service",))
"""A lane's stories are played one after another: they play with the same company's CRM."""


async def play_all(
    stage: Stage, plant: Plant, stories: Sequence[Story], show: Show, *, prepare: Callable[[], Awaitable[None]]
) -> dict[str, Told]:
    """Play the stories and return how each ended; one that fails does not stop the others.

    ``prepare`` begins what a replacement needs, when the hub will not be killed any more.
    """
    known = {story.name: story for story in stories}
    told: dict[str, Told] = {}

    async def play(names: Sequence[str]) -> None:
        for name in names:
            if name in known:
                told[name] = await _play(known[name], Teller(name, stage, plant, show), show)

    await play(_ALONE)
    if "replacement" in known:
        await prepare()
    async with asyncio.TaskGroup() as group:
        for lane in _LANES:
            group.create_task(play(lane))
    return {story.name: told[story.name] for story in stories}


async def _play(story: Story, teller: Teller, show: Show) -> Told:
    show.begin(story.name)
    try:
        told = story.judged(await story.play(teller))
    except Exception as error:  # noqa: BLE001 - whatever stops a story is told, and the others go on
        told = stopped(error)
    show.end(story.name, told)
    return told


def stopped(error: BaseException) -> Told:
    """Return the end of a story that could not be played."""
    causes = _causes(error)
    what = "; ".join([f"{type(cause).__name__}: {cause}" for cause in causes])
    notes = [note for cause in causes for note in getattr(cause, "__notes__", ())]
    return Told(
        evidence=Evidence(orders=(), trace=(), records=()),
        checks=(Check(what="the story is played to its end", holds=False),),
        why=" / ".join([f"not shown: {what}", *notes]),
    )


def _causes(error: BaseException) -> list[BaseException]:
    """Return what a group of errors holds, at any depth."""
    match error:
        case BaseExceptionGroup(exceptions=inner):
            found: list[BaseException] = list(inner)
            return [cause for each in found for cause in _causes(each)]
        case _:
            return [error]


def summary_of(told: Mapping[str, Told]) -> str:
    """Return how many stories were shown."""
    return f"{sum(each.ok for each in told.values())} of {len(told)} stories shown"
