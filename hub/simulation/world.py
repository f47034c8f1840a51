"""What the parts of one universe share."""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

from actors.model.readings import DeviceMessage
from actors.runtime.journal import Batch
from hub.simulation.crm import SimCrm
from hub.simulation.disks import Disks
from hub.simulation.letters import LetterWatch
from hub.simulation.life import Life
from hub.simulation.scenery import Chronicle, JumpingClock, chance_of
from hub.simulation.watch import Watch


class World:
    """Disks, clock, CRMs, and the hub while one lives."""

    def __init__(self, seed: int, *, shards: int = 1, keep: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.seed = seed
        self.clock = JumpingClock(self.loop)
        self.chronicle = Chronicle(self.loop, keep=keep)
        self.disks = Disks(shards)
        self.letters = LetterWatch(shards)
        self.watch = Watch(self.loop.time)
        self.crms: dict[str, SimCrm] = {}
        self.life: Life | None = None
        self.is_calm = False
        self.lives = 0
        self.acknowledged: dict[tuple[str, str], DeviceMessage] = {}
        self.reconciled: set[str] = set()
        """The connections whose orders and records a person had compared in the end."""
        self.on_event: Callable[[], None] = lambda: None
        for shard, disk in enumerate(self.disks.all):
            disk.on_write += [self.watch.written, partial(self.letters.written, shard), self._wrote]

    def chance(self, name: str) -> Random:
        """Return a stream of chance of its own."""
        return chance_of(self.seed, name)

    @property
    def hub(self) -> Life | None:
        """The hub, while it can be reached."""
        return self.life if self.life is not None and self.life.is_up else None

    def _wrote(self, batch: Batch) -> None:
        del batch
        self.on_event()

    def acknowledge(self, message: DeviceMessage) -> None:
        """Take down that the hub told a device ``Stored``."""
        address = f"thing/{message.thing_id}"
        if not self.disks.has_turn(address, message.message_id):
            self.watch.say(f"{address}: {message.message_id} was acknowledged and is not on disk")
        self.acknowledged[message.thing_id, message.message_id] = message
        self.chronicle.tell("acknowledged", message.thing_id, message.message_id)
