"""Keeping the journals of all shards in order while the hub runs: what is kept, and how much was taken away."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta

from actors.model.profiles import ThingProfile
from actors.ports import Clock
from hub.config.tables import StorageConfig
from hub.folding import folding_kinds
from hub.storage.housekeeping import Housekeeping, Retention, check_truth
from hub.storage.sqlite import SqliteJournal


class Keeping:
    """Housekeeping for every journal of a hub."""

    def __init__(
        self, journals: Sequence[SqliteJournal], profiles: Iterable[ThingProfile], storage: StorageConfig, clock: Clock
    ) -> None:
        """Check that what stands for pruned messages can be read.

        Raises:
            ConfigError: it cannot.
        """
        self._journals = journals
        kinds = folding_kinds(profiles)
        days = storage.keep_readings_days
        retention = Retention(keep=None if days is None else timedelta(days=days))
        for journal in journals:
            with closing(journal.look()) as file:
                check_truth(file, journal.path, kinds)
        self._keepers = [Housekeeping(journal, kinds, clock, retention) for journal in journals]

    def start(self, group: asyncio.TaskGroup) -> None:
        """Work until the group is cancelled."""
        for keeper in self._keepers:
            group.create_task(keeper.run())

    def counters(self) -> Mapping[str, int]:
        """Return the segments that there are, and what was taken away since the journals began."""
        total: Counter[str] = Counter()
        for journal in self._journals:
            total.update(journal.retained())
        return total
