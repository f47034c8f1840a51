"""Models of failing parts: learned from the histories that things gave for it, in a process apart, and published."""

import asyncio
from typing import Final

import structlog

from actors.community.core import EVENT_HISTORY
from actors.community.failing import FAILING, PublishedFailures
from actors.dialogue import TrainingFailed, TrainingFinished, TrainModel
from actors.model.ids import CommunityId
from actors.runtime.journal import Batch, BatchRefused, Journal, JournalUnavailable, RecordRow
from hub.model_making import MODEL, WITHDRAWN_LIFE
from hub.storing import store
from hub.training import FailuresRequest, TrainingRefused, learn_apart

log = structlog.get_logger(__name__)

_ROWS_AT_ONCE: Final = 16


class FailureMaking:
    """Learns which part fails next, and keeps what is published."""

    def __init__(self, journal: Journal) -> None:
        self.published: dict[CommunityId, PublishedFailures] = {}
        self._journal = journal

    async def train(self, job: TrainModel) -> TrainingFinished | TrainingFailed:
        """Learn from all histories there are; publish what foretells better than the present model."""
        prefix = f"{job.community_id}/"
        histories = await _given(self._journal, prefix)
        champion = None if job.hides else self.published.get(job.community_id)
        log.info("training_started", community=job.community_id, subject=FAILING, histories=len(histories))
        request = FailuresRequest(histories=histories, champion=champion.to_bytes() if champion else b"")
        learned = await learn_apart(request)
        if isinstance(learned, TrainingRefused):
            return _failed(job, learned.reason)
        if len(await _given(self._journal, prefix)) < len(histories):
            return await self.train(job)  # some were forgotten meanwhile
        try:
            await self._keep(job.community_id, learned.version, learned.model)
        except (JournalUnavailable, BatchRefused) as error:
            return _failed(job, f"the model could not be stored: {error}")
        log.info("model_published", community=job.community_id, subject=FAILING, version=learned.version)
        return TrainingFinished(
            subject=FAILING, model_version=learned.version, lives=learned.machines, owners=learned.owners
        )

    def removal(self, community_id: CommunityId) -> list[RecordRow]:
        """Return the removal of the published model."""
        published = self.published.get(community_id)
        return [] if published is None else [RecordRow(kind=MODEL, key=published.version, owner="", body=None)]

    async def _keep(self, community_id: CommunityId, version: str, packed: bytes) -> None:
        """Make the model durable before the community speaks of it, and drop the former one."""
        former = self.published.get(community_id)
        records = [] if former is None or former.version == version else self.removal(community_id)
        records.append(RecordRow(kind=MODEL, key=version, owner="", body=packed))
        await store(self._journal, Batch(records=records))
        self.published[community_id] = await asyncio.to_thread(PublishedFailures.from_bytes, packed)


async def _given(journal: Journal, prefix: str) -> list[bytes]:
    """Return the histories that were not taken back, read a few at a time."""
    withdrawn = {row.key for row in journal.records(WITHDRAWN_LIFE)}
    given: list[bytes] = []
    after = prefix
    while page := list(journal.records(EVENT_HISTORY, after=after, limit=_ROWS_AT_ONCE)):
        fitting = [row for row in page if row.key.startswith(prefix)]
        given += [row.body for row in fitting if row.body is not None and row.key not in withdrawn]
        if len(fitting) < len(page):
            break
        after = page[-1].key
        await asyncio.sleep(0)
    return given


def _failed(job: TrainModel, reason: str) -> TrainingFailed:
    log.warning("training_failed", community=job.community_id, subject=FAILING, reason=reason)
    return TrainingFailed(subject=FAILING, reason=reason)
