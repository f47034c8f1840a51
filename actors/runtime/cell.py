"""The cell: what the system keeps for one actor. It is the actor's address and its context in one object."""

from typing import TYPE_CHECKING, Any, Final, final

from actors.runtime import delivery, lifecycle, passivation, stash
from actors.runtime.actor import Actor, ChildT, Context, Reply
from actors.runtime.errors import ActorStopped, NameTaken
from actors.runtime.extras import Extras
from actors.runtime.kinds import Kind
from actors.runtime.mailbox import SINGLE
from actors.runtime.messages import Envelope
from actors.runtime.metering import KindMeter
from actors.runtime.ref import ActorRef
from actors.runtime.replies import LaterReply
from actors.runtime.status import Status
from actors.runtime.timers import IdleWatch, LeaveWatch, Timer

if TYPE_CHECKING:
    from actors.runtime.dispatcher import Dispatcher

OPEN: Final = Status.OPEN  # a global costs a tenth of looking into an enumeration


@final
class Cell(ActorRef[Any], Context):
    """One actor: nine slots, and ``extras`` only for what few actors need.

    ``mailbox`` says what to do with a message. None, the actor is idle: put it into ``first``, ``SINGLE`` here, and the
    cell into the queue. A list or deque: append, the cell is queued, at work or waiting. ``SINGLE`` or ``BUSY``: make
    that list now. ``Held``: append, a restart or a leave is under way. ``ASLEEP``: wake. ``CLOSED``: dead letters.
    """

    __slots__ = ("actor", "dispatcher", "extras", "first", "key", "mailbox", "meter", "parent", "status")

    def __init__(self, dispatcher: "Dispatcher", parent: "Cell | None", key: str | int, meter: KindMeter) -> None:
        self.dispatcher = dispatcher
        self.parent = parent
        self.key = key
        self.meter = meter
        self.mailbox: Any = None  # a Box or what stands for one; the hot path tells them apart unseen by checkers
        self.first: Any = None
        self.status: Status = OPEN
        self.extras: Extras | None = None
        self.actor: Actor[Any] | None = None

    def __repr__(self) -> str:
        return f"<actor {self.path}>"

    # the address

    @property
    def path(self) -> str:
        """Return the names from the top down to here."""
        return "" if self.parent is None else f"{self.parent.path}/{self.name}"

    @property
    def alive(self) -> bool:
        """Say whether messages are taken."""
        return self.status <= Status.RESTARTING

    def tell(self, message: Any) -> bool:
        """Put a message into the mailbox; False when it was refused."""
        dispatcher = self.dispatcher
        sender = dispatcher.current
        if sender is not None:
            message = Envelope(message, sender)
            if sender is dispatcher.door:
                return delivery.admit(self, message)
        box = self.mailbox
        if box is None:
            self.first = message
            self.mailbox = SINGLE
            dispatcher.ready.append(self)
            if not dispatcher.awake:
                dispatcher.wake()
            return True
        if len(box) < self.meter.short:
            box.append(message)
            return True
        return delivery.admit(self, message)

    def answer(self, message: Any) -> bool:
        """Tell something the actor asked for: passes the bound."""
        return delivery.put(self, Envelope(message, self.dispatcher.current, privileged=True))

    async def ask(self, message: Any, *, timeout_s: float = 5.0) -> Any:
        """Return what the handler answers; an idle actor answers inline."""
        dispatcher = self.dispatcher
        sender = dispatcher.current
        if self.mailbox is None and (sender is None or sender.waits):
            result = dispatcher.run_inline(self, message, sender)
            if result.__class__ is not Envelope:
                return result
            envelope: Envelope = result
        else:
            envelope = Envelope(message, sender, asked=True, reply=dispatcher.loop.create_future())
            delivery.admit(self, envelope)
        envelope.asked_of = self
        dispatcher.wheel.add(envelope, timeout_s)
        try:
            return await envelope.future(dispatcher.loop)
        finally:
            dispatcher.wheel.discard(envelope)

    # the state, for the rest of the runtime

    @property
    def waits(self) -> bool:
        """Say whether an ``async def`` handler or hook is under way."""
        return self.extras is not None and self.extras.turn is not None

    @property
    def in_quarantine(self) -> bool:
        """Say whether the actor failed too often."""
        return self.status is Status.QUARANTINED

    def more(self) -> Extras:
        """Return the extras, made when first needed."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras

    # the context

    @property
    def ref(self) -> ActorRef[Any]:
        """Return the own address: this very object."""
        return self

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.key if isinstance(self.key, str) else f"${self.key}"

    @property
    def sender(self) -> ActorRef[Any] | None:
        """Return who told the present message."""
        letter = self.dispatcher.present_letter()
        return letter.sender if letter.__class__ is Envelope else None

    def spawn(self, kind: Kind[ChildT], name: str | None = None) -> ActorRef[ChildT]:
        """Start a child."""
        dispatcher = self.dispatcher
        children = self.extras.children if self.extras is not None and self.status is OPEN else None
        if children is None:
            children = self._nursery(name)
        key: str | int
        if name is None:
            dispatcher.keys = key = dispatcher.keys + 1
        else:
            key = self._free(name, children)
        meter = dispatcher.meters.get(id(kind)) or dispatcher.meter_of(kind)
        child = children[key] = Cell(dispatcher, self, key, meter)
        lifecycle.be_born(child)
        return child

    def reach(self, kind: Kind[ChildT], name: str) -> ActorRef[ChildT]:
        """Return the child of this name; where there is none yet, a passive one."""
        child = (self.more().children or {}).get(name)
        if child is None:
            children = self._nursery(name)
            key = self._free(name, children)
            child = children[key] = Cell(self.dispatcher, self, key, self.dispatcher.meter_of(kind))
            lifecycle.enrol(child)
        elif child.meter.kind is not kind:
            raise NameTaken(self.path, f"the child named {name!r} is a {child.meter.kind.name!r}, not a {kind.name!r}")
        return child

    def _nursery(self, name: str | None) -> "dict[str | int, Cell]":
        if self.status not in (Status.OPEN, Status.RESTARTING):
            raise ActorStopped(self.path, f"is {self.status.name.lower()} and starts no child {name!r}")
        extras = self.more()
        if extras.children is None:
            extras.children = {}
        return extras.children

    def _free(self, name: str, children: "dict[str | int, Cell]") -> str:
        if not name or "/" in name or name[0] == "$":
            raise ValueError(f"actor name {name!r}: expected some text without '/' that does not begin with '$'")
        if name in children:
            raise NameTaken(self.path, f"a child named {name!r} is alive")
        return name

    def passivate(self) -> None:
        """Take leave after the present message."""
        passivation.request(self)

    def stop(self, ref: ActorRef[Any] | None = None) -> None:
        """Stop this or another actor."""
        lifecycle.stop(self if ref is None else cell_of(ref))

    def watch(self, ref: ActorRef[Any]) -> None:
        """Ask for one ``Terminated``."""
        lifecycle.watch(self, cell_of(ref))

    def unwatch(self, ref: ActorRef[Any]) -> None:
        """Take a ``watch`` back."""
        lifecycle.unwatch(self, cell_of(ref))

    def reply_later(self) -> Reply:
        """Keep the present question open."""
        letter = self.dispatcher.present_letter()
        if letter.__class__ is not Envelope or not letter.asked:
            return LaterReply(self, None)
        letter.kept = True
        letter.future(self.dispatcher.loop)
        reply = LaterReply(self, letter)
        extras = self.more()
        extras.later = {} if extras.later is None else extras.later
        extras.later[reply] = None
        return reply

    def stash(self) -> None:
        """Put the present message aside."""
        stash.put(self, self.dispatcher.present_letter())

    def unstash(self) -> None:
        """Put what was stashed back at the head of the mailbox."""
        stash.put_back(self)

    def start_timer(self, name: str, message: Any, *, after_s: float, every_s: float | None = None) -> None:
        """Tell this actor something later."""
        self.cancel_timer(name)
        extras = self.more()
        extras.timers = {} if extras.timers is None else extras.timers
        due_s = self.dispatcher.monotonic() + after_s
        timer = extras.timers[name] = Timer(self, name, message, due_s=due_s, every_s=every_s)
        self.dispatcher.wheel.add(timer, after_s)

    def cancel_timer(self, name: str) -> None:
        """End a timer."""
        timers = self.more().timers
        timer = None if timers is None else timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def set_receive_timeout(self, after_s: float | None) -> None:
        """Tell this actor when nothing came for a while."""
        extras = self.more()
        if extras.idle_watch is not None:
            extras.idle_watch.cancel()
        extras.idle_watch = None if after_s is None else IdleWatch(self, after_s)

    def set_passivation(self, after_s: float | None) -> None:
        """Passivate this actor when nothing came for a while."""
        extras = self.more()
        if extras.leave_watch is not None:
            extras.leave_watch.cancel()
        extras.leave_watch = None if after_s is None else LeaveWatch(self, after_s)


def cell_of(ref: ActorRef[Any]) -> Cell:
    """Return the cell behind an address."""
    if not isinstance(ref, Cell):
        raise TypeError(f"{ref!r} is no actor of this runtime")
    return ref
