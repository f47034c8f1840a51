"""The address of an actor."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

MessageT = TypeVar("MessageT")
MessageT_contra = TypeVar("MessageT_contra", contravariant=True)


class ActorRef(ABC, Generic[MessageT_contra]):
    """The address of one actor. It stays valid over restarts and may be kept and sent in messages.

    Not thread-safe: from another thread go through ``loop.call_soon_threadsafe(ref.tell, message)``.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def path(self) -> str:
        """Return the names from the top of the tree down to this actor, such as ``/plant/pump-7``."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Say whether the actor takes messages."""

    @abstractmethod
    def tell(self, message: MessageT_contra) -> bool:
        """Put a message into the mailbox; False when it went to dead letters instead. Never waits, never raises."""

    @abstractmethod
    def answer(self, message: MessageT_contra) -> bool:
        """Tell something that the actor itself asked for: passes the mailbox's bound."""

    @abstractmethod
    async def ask(self, message: MessageT_contra, *, timeout_s: float = 5.0) -> Any:
        """Return what the handler returns for this message.

        An idle actor answers at once, without a detour over the loop.

        Raises:
            AskTimeout: no answer within ``timeout_s``.
            ActorFailed: the handler raised.
            ActorStopped: the actor is stopped, or stopped before it answered; also when it is in quarantine.
            MailboxFull: the mailbox refused or dropped the question.
            SystemStopping: the system drains.
        """
