"""What an asker gets instead of an answer, and what the system raises."""


class ActorError(Exception):
    """Root of the runtime's errors. ``actor`` is the path of the actor concerned."""

    def __init__(self, actor: str, text: str) -> None:
        super().__init__(f"{actor}: {text}")
        self.actor = actor


class AskTimeout(ActorError, TimeoutError):
    """No answer came before the deadline; the question may still have been, or be, handled."""


class ActorStopped(ActorError):
    """The actor has stopped, or stopped before it answered."""


class ActorQuarantined(ActorStopped):
    """The actor failed too often and takes no messages until it is released."""


class ActorFailed(ActorError):
    """The handler raised. The cause is its exception."""


class MailboxFull(ActorError):
    """The question was refused or pushed out of a full mailbox; it was not handled."""


class StashFull(ActorError):
    """The actor put aside more messages than its kind allows."""


class NameTaken(ActorError):
    """A living sibling has this name."""


class SystemStopping(ActorError):
    """The system drains or has stopped and takes no messages from outside."""


class SystemFailed(ActorError):
    """A failure was escalated beyond the top of the tree. The cause is the handler's exception."""
