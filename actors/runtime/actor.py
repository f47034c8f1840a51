"""What a writer of actors sees: the base class and the context of a turn."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from actors.runtime.ref import ActorRef, MessageT

if TYPE_CHECKING:
    from actors.runtime.kinds import Kind

ChildT = TypeVar("ChildT")


class Reply(Protocol):
    """The right to answer one question later, once. Without a question behind it both methods do nothing."""

    def send(self, value: Any) -> None:
        """Answer; too late is a dead letter."""
        ...

    def fail(self, error: Exception) -> None:
        """Let the asker's ``ask`` raise ``ActorFailed`` with this cause."""
        ...


class Context(ABC):
    """What an actor can do during a turn. It belongs to this actor alone: never hand it out."""

    __slots__ = ()

    @property
    @abstractmethod
    def ref(self) -> ActorRef[Any]:
        """Return the actor's own address."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the name the actor was spawned under."""

    @property
    @abstractmethod
    def sender(self) -> ActorRef[Any] | None:
        """Return the actor that told the present message; None for the outside."""

    @abstractmethod
    def spawn(self, kind: "Kind[ChildT]", name: str | None = None) -> ActorRef[ChildT]:
        """Start a child; it stops with this actor and at its restart."""

    @abstractmethod
    def reach(self, kind: "Kind[ChildT]", name: str) -> ActorRef[ChildT]:
        """Return the child of this name; where there is none, a passive one that its first message activates.

        Raises:
            NameTaken: the child of this name is of another kind.
        """

    @abstractmethod
    def passivate(self) -> None:
        """Give the incarnation up after the present message; the address stays, and mail activates the actor again.

        Takes nothing more meanwhile. Not granted while the actor has children, stashed messages or owes an answer.
        """

    @abstractmethod
    def stop(self, ref: ActorRef[Any] | None = None) -> None:
        """Stop an actor (by default this one) after its present message; what waits goes to dead letters."""

    @abstractmethod
    def watch(self, ref: ActorRef[Any]) -> None:
        """Ask for one ``Terminated`` when the actor is gone, at once if it is."""

    @abstractmethod
    def unwatch(self, ref: ActorRef[Any]) -> None:
        """Take a ``watch`` back."""

    @abstractmethod
    def reply_later(self) -> Reply:
        """Keep the present question open: its answer is not what the handler returns."""

    @abstractmethod
    def stash(self) -> None:
        """Put the present message aside, in order.

        Raises:
            StashFull: the kind's ``stash_capacity`` are put aside already.
        """

    @abstractmethod
    def unstash(self) -> None:
        """Put all stashed messages back at the head of the mailbox, in their order."""

    @abstractmethod
    def start_timer(self, name: str, message: Any, *, after_s: float, every_s: float | None = None) -> None:
        """Tell this actor ``message`` after a time, and again every ``every_s``; replaces the timer of that name.

        Coarse: never early, late by up to one tick of the system. Ends with the incarnation.
        """

    @abstractmethod
    def cancel_timer(self, name: str) -> None:
        """End a timer; a message of it that already waits is not delivered."""

    @abstractmethod
    def set_receive_timeout(self, after_s: float | None) -> None:
        """Tell this actor ``ReceiveTimeout`` each time nothing came for so long; None ends that."""


class Actor(ABC, Generic[MessageT]):
    """State that handles one message at a time. Each incarnation sees ``started``, messages, ``stopped``.

    ``receive`` and the hooks may be ``async def``: then they run in a task of their own when they wait, and the actor
    takes no other message until they are through.
    """

    __slots__ = ()

    @abstractmethod
    def receive(self, ctx: Context, message: MessageT) -> Any:
        """Handle one message; what it returns (or its coroutine returns) answers an ``ask``."""

    def started(self, ctx: Context) -> Any:
        """Acquire what the incarnation needs; runs before its first message."""

    def passivating(self, ctx: Context) -> Any:
        """Keep what the next incarnation will need, before ``stopped``; an actor that raises here stays awake."""

    def stopped(self, ctx: Context) -> Any:
        """Release what the incarnation holds; runs after its last message, also before a restart."""
