"""Cores without an engine: every message in memory, time by hand, and the laws of a turn checked at every step."""

from collections import deque
from datetime import datetime, timedelta
from typing import Any

import msgspec
from firm import INSTALLATION, NOW, PROFILES, settings

from actors.community.core import CommunityCore
from actors.connection.core import ConnectionCore, ConnectionSettings
from actors.device.core import DeviceCore
from actors.device.inquiring import InquirySettings
from actors.dialogue import (
    AnyDeskJob,
    BookReported,
    BookTime,
    CancelRecord,
    CancelReported,
    ChangesReported,
    FindOffers,
    GiveBackTurn,
    LookUp,
    LookUpReported,
    OffersReported,
    PlaceReported,
    PlaceRequest,
    ReadChanges,
    SearchTimes,
    TakeTurn,
    TimesReported,
    TurnGiven,
)
from actors.endpoint.core import EndpointCore
from actors.owner.core import OwnerCore, OwnerLimits
from actors.purchasing.core import OrderCore
from actors.purchasing.sourcing import PurchasingSettings
from actors.runtime.cells import Kind, encode
from actors.runtime.turns import Claim, Emit, Forget, Meter, Note, Put, Release, Remind, Remove, Tell
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore

WRITES = PlaceRequest | BookTime


class Job:
    """Work that a desk was given and has not answered."""

    def __init__(self, connection: str, address: str, body: Any) -> None:
        self.connection = connection
        self.address = address
        self.body = body

    def report(self, outcome: Any) -> Any:
        """Return the message that answers this job."""
        match self.body:
            case FindOffers():
                return OffersReported(connection=self.connection, outcome=outcome)
            case TakeTurn():
                return TurnGiven(connection=self.connection)
            case PlaceRequest(attempt=attempt):
                return PlaceReported(attempt=attempt, outcome=outcome)
            case LookUp(kind=kind):
                return LookUpReported(kind=kind, outcome=outcome)
            case SearchTimes():
                return TimesReported(outcome=outcome)
            case BookTime(attempt=attempt):
                return BookReported(attempt=attempt, outcome=outcome)
            case ReadChanges():
                return ChangesReported(connection=self.connection, outcome=outcome)
            case CancelRecord():
                return CancelReported(outcome=outcome)
        raise TypeError(f"{self.body} is no job of a desk")


class World:
    """All actors of a small hub. ``turn`` gives one its next message; ``drain`` lets all of them work."""

    def __init__(
        self, purchasing: PurchasingSettings | None = None, *, limits: OwnerLimits | None = None, models: Any = None
    ) -> None:
        generous = OwnerLimits(max_orders_per_7_days=1000, min_between_orders=timedelta(0))
        purchasing = purchasing or settings()
        follows = {name: ConnectionSettings(can=can) for name, can in purchasing.connections.items()}
        cores = (
            ConnectionCore(follows),
            OwnerCore(limits or generous),
            OrderCore(purchasing),
            ThingCore(PROFILES, models or NoModels(), INSTALLATION),
            CommunityCore(),
            DeviceCore(InquirySettings(sellers=("shop",))),
            EndpointCore(),
        )
        self.kinds = {core.kind: Kind(core) for core in cores}
        self.states: dict[str, Any] = {}
        self.now: datetime = NOW
        self.mail: dict[str, deque[Any]] = {}
        self.jobs: list[Job] = []
        self.reminders: dict[tuple[str, str], tuple[datetime, Any]] = {}
        self.meters: dict[str, int] = {}
        self.claims: dict[str, str] = {}
        self.records: dict[tuple[str, str], Any] = {}
        self.notes: list[Note] = []
        self.told: list[tuple[str, Any]] = []
        self.other_work: list[Any] = []

    def state(self, address: str) -> Any:
        """Return what an actor knows."""
        kind, _, name = address.partition("/")
        return self.states.get(address, self.kinds[kind].core.initial(name))

    def tell(self, address: str, message: Any) -> None:
        """Put a message into a mailbox."""
        self.mail.setdefault(address, deque()).append(message)

    def ask(self, address: str, message: Any) -> Any:
        """Give a message its turn at once and return the reply; what follows waits in the mailboxes."""
        self.mail.setdefault(address, deque()).appendleft(message)
        return self.turn(address)

    def turn(self, address: str) -> Any:
        """Let an actor take its next message."""
        message = self.mail[address].popleft()
        if not self.mail[address]:
            del self.mail[address]
        kind, before = self.kinds[address.partition("/")[0]], self.state(address)
        step = kind.core.step(before, message, self.now)
        self._check_laws(kind, before, message, step)
        self.states[address] = step.state
        for effect in step.effects:
            self._apply(address, effect)
        return step.reply

    def drain(self) -> None:
        """Let all actors work until no message is left."""
        while self.mail:
            self.turn(next(iter(self.mail)))

    def send(self, address: str, message: Any) -> Any:
        """Hand in a message, let all work, and return the reply."""
        reply = self.ask(address, message)
        self.drain()
        return reply

    def job(self, kind: Any) -> Job:
        """Return the one open job of a kind."""
        (found,) = [job for job in self.jobs if isinstance(job.body, kind)]
        return found

    def answer(self, kind: Any, outcome: Any = None, *, again: bool = False) -> None:
        """Let the desk answer the one open job of a kind; ``again`` leaves it open, to be answered twice."""
        job = self.job(kind)
        if not again:
            self.jobs.remove(job)
        self.send(job.address, job.report(outcome))

    def advance(self, seconds: float) -> None:
        """Let time pass, with its reminders in their order."""
        until = self.now + timedelta(seconds=seconds)
        while due := [(at, key) for key, (at, _) in self.reminders.items() if at <= until]:
            at, key = min(due)
            self.now = max(self.now, at)
            _, message = self.reminders.pop(key)
            self.send(key[0], message)
        self.now = until

    def _check_laws(self, kind: Kind, before: Any, message: Any, step: Any) -> None:
        core = kind.core
        recorded = bool(step.events) or core.records(message)
        assert recorded or step.state == before, "a turn that records nothing changes nothing"
        kept = msgspec.msgpack.decode(encode(step.events), type=kind._event_list)  # noqa: SLF001 - the journal's codec
        replayed = core.fold(before, kind.read_message(encode(message)), kept, self.now)
        assert replayed == step.state or not recorded, "replay leads to another state than the turn"
        assert msgspec.msgpack.decode(encode(step.state), type=core.state_type) == step.state, "a snapshot differs"

    def _apply(self, address: str, effect: Any) -> None:
        match effect:
            case Tell(address=target, message=message):
                self.told.append((target, message))
                self.tell(target, message)
            case Remind(name=name, due=due, message=message):
                self.reminders[address, name] = (due, message)
            case Forget(name=name):
                self.reminders.pop((address, name), None)
            case Emit(relay=relay, body=body):
                self._emit(relay, address, body)
            case Put(kind=kind, key=key, body=body):
                msgspec.json.encode(body)
                self.records[kind, key] = body
            case Remove(kind=kind, key=key):
                self.records.pop((kind, key), None)
            case Note():
                self.notes.append(effect)
            case _:
                self._constrain(effect)

    def _emit(self, relay: str, address: str, body: Any) -> None:
        if not relay.startswith("desk:"):  # answered by hand, where a test is about it
            self.other_work.append(body)
            return
        body = msgspec.msgpack.decode(encode(body), type=AnyDeskJob)
        if isinstance(body, GiveBackTurn):  # needs no answer
            self.other_work.append(body)
            return
        self.jobs.append(Job(relay.removeprefix("desk:"), address, body))

    def _constrain(self, effect: Any) -> None:
        match effect:
            case Claim(name=name, holder=holder):
                assert name not in self.claims, f"{name} is claimed twice"
                self.claims[name] = holder
            case Release(name=name):
                self.claims.pop(name, None)
            case Meter(name=name, delta=delta, cap=cap):
                value = self.meters.get(name, 0) + delta
                assert value >= 0, f"{name} falls below nothing"
                assert delta <= 0 or value <= cap, f"{name} passes its cap"
                self.meters[name] = value
            case _:
                raise TypeError(f"{effect} is no effect")
