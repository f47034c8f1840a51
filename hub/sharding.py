"""How many journals and engines a hub is made of, and that nobody beside this file needs to know."""

from collections.abc import Sequence

from actors.dialogue.placement import ShardMap
from actors.ports import Clock
from actors.runtime.contract import Engine, EngineSettings
from actors.runtime.engine import TurnEngine
from actors.runtime.shards import ShardHost
from hub.storage.sqlite import SqliteJournal
from hub.storage.whole import HubJournal, WholeJournal


def whole_journal(journals: Sequence[SqliteJournal]) -> HubJournal:
    """Return what reads all shards as one; a single one is itself."""
    return journals[0] if len(journals) == 1 else WholeJournal(journals)


def whole_engine(journals: Sequence[SqliteJournal], clock: Clock, settings: EngineSettings) -> Engine:
    """Return the engine of a hub: one journal's own, without anything around it, or those of all shards as one."""
    engines = [TurnEngine(journal, clock, settings) for journal in journals]
    return engines[0] if len(engines) == 1 else ShardHost(engines, ShardMap(len(engines)).shard_of)
