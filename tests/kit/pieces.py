"""Pieces of ink that peers used up, brought to the community of a served hub, and what it answers from them."""

import asyncio
from collections.abc import Iterable
from typing import Any

from served_hub import Client

from actors.model.advice import Advice, Question, Recommendation, Topic
from actors.model.ids import CommunityId, CorrelationId, OwnerId, ThingId

OFFICE = CommunityId("office")


def piece(owner: str, lived: float, number: int = 0) -> dict[str, Any]:
    return {
        "card_id": f"{owner}-{number}",
        "community_id": OFFICE,
        "topic": "material",
        "owner_id": owner,
        "subject": "black",
        "sku": "INK-1",
        "lived": lived,
    }


async def bring(operator: Client, cards: Iterable[dict[str, Any]]) -> None:
    status, told = await operator.post("/api/v1/communities/office/cards", {"cards": list(cards)})
    assert status == 201, told


async def advice(operator: Client, owner: str = "stranger") -> Advice:
    """Return what the community answers to an owner, apart from when."""
    question = Question(
        correlation_id=CorrelationId("c"),
        community_id=OFFICE,
        topic=Topic.MATERIAL,
        thing_id=ThingId("any"),
        owner_id=OwnerId(owner),
        subject="black",
        asked_at=operator.hub.clock.now(),
    )
    moment = operator.hub.clock.now().replace(year=2030, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return operator.hub.compute.answer(question, moment)


async def told_by(operator: Client, owners: int) -> Recommendation:
    """Wait until the community answers from so many owners."""
    async with asyncio.timeout(30):
        while True:
            said = await advice(operator)
            if isinstance(said, Recommendation) and said.evidence.owners == owners:
                return said
            await asyncio.sleep(0.01)
