"""Printers that use ink, send again what nobody acknowledged, repeat, overtake, reboot, and lie about the time."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from actors.model.ids import OwnerId, ThingId
from actors.model.readings import RETRYABLE_REFUSALS, DeviceMessage, Reading, Receipt, Stored
from hub.simulation.life import Life
from hub.simulation.scenery import BEGIN, HOUR_S
from hub.simulation.world import World

_PACE_S: Final = (0.3 * HOUR_S, 1.2 * HOUR_S)
_LIES: Final = (timedelta(minutes=4), timedelta(hours=-3), timedelta(days=-40), timedelta(days=365 * 80))


class Printer:
    """One device, and its queue of messages that must not be lost."""

    def __init__(self, world: World, thing_id: ThingId, owner_id: OwnerId) -> None:
        self.thing_id = thing_id
        self.owner_id = owner_id
        self.unacknowledged: dict[str, DeviceMessage] = {}
        self.sent: dict[str, DeviceMessage] = {}
        self._world = world
        self._chance = world.chance(f"printer {thing_id}")
        self._level = self._chance.uniform(25.0, 100.0)
        self._pages = 0.0
        self._jammed = False
        self._boot = self._sequence = 0

    async def live(self) -> None:
        """Report for ever."""
        while True:
            await asyncio.sleep(self._chance.uniform(*_PACE_S))
            if not self._world.is_calm:
                self._work()
            self._report()

    def refill(self) -> None:
        """A cartridge is put in."""
        self._level = 100.0
        self._report()

    def repair(self) -> None:
        """A technician was here."""
        self._jammed = False
        self._report()

    def _work(self) -> None:
        used = self._chance.uniform(2.0, 14.0)
        self._level = max(0.0, self._level - used)
        self._pages += used * 10
        self._jammed = self._jammed or self._chance.random() < 0.02
        if self._chance.random() < 0.01:
            self._level, self._jammed = 100.0, False
        if self._chance.random() < 0.03:
            self._boot, self._sequence = self._boot + 1, 0

    def _report(self) -> None:
        self._sequence += 1
        at = self._observed_at()
        values: dict[str, float | str] = {
            "ink": round(self._level, 1),
            "pages": round(self._pages),
            "fault": "E1" if self._jammed else "OK",
        }
        message = DeviceMessage(
            thing_id=self.thing_id,
            message_id=f"b{self._boot}:{self._sequence}",
            received_at=BEGIN,
            readings=tuple(Reading(name=name, value=value, observed_at=at) for name, value in values.items()),
            protocol="simulated",
        )
        self.unacknowledged[message.message_id] = self.sent[message.message_id] = message
        self._send(message)

    def _observed_at(self) -> datetime | None:
        if self._world.is_calm or self._chance.random() < 0.5:
            return None
        now = self._world.clock.true_now()
        return now + self._chance.choice(_LIES) if self._chance.random() < 0.1 else now

    # The network.

    def _send(self, message: DeviceMessage) -> None:
        for _copy in range(2 if self._chance.random() < 0.15 else 1):
            self._later(self._arrive, message)
        patience_s = self._chance.uniform(20.0, 60.0 if self._world.is_calm else 1800.0)
        self._world.loop.call_later(patience_s, self._again, message)

    def _again(self, message: DeviceMessage) -> None:
        if message.message_id in self.unacknowledged:
            self._send(message)

    def _later(self, call: Callable[[DeviceMessage], None], message: DeviceMessage) -> None:
        if self._world.is_calm or self._chance.random() < 0.9:
            delay_s = self._chance.uniform(0.0, 0.2)
        elif self._chance.random() < 0.4:
            return
        else:
            delay_s = self._chance.choice((5.0, HOUR_S)) * self._chance.random()
        self._world.loop.call_later(delay_s, call, message)

    def _arrive(self, message: DeviceMessage) -> None:
        hub = self._world.hub
        if hub is not None:
            hub.hear(message, lambda receipt: self._answered(hub, message, receipt))

    def _answered(self, hub: Life, message: DeviceMessage, receipt: Receipt) -> None:
        if not hub.is_up:
            return
        if isinstance(receipt, Stored):
            self._world.acknowledge(message)
            self._later(self._forget, message)
        elif receipt.code not in RETRYABLE_REFUSALS:
            self._world.watch.say(f"{self.thing_id} {message.message_id}: refused: {receipt.code}: {receipt.detail}")
            self._forget(message)

    def _forget(self, message: DeviceMessage) -> None:
        self.unacknowledged.pop(message.message_id, None)
