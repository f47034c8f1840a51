"""The generic actor system: knows no things, no money, no CRM. ``README.md`` beside this file is its book."""

from actors.runtime.actor import Actor, Context, Reply
from actors.runtime.dead_letters import DeadLetter, DeadLetters, DeadReason
from actors.runtime.errors import (
    ActorError,
    ActorFailed,
    ActorQuarantined,
    ActorStopped,
    AskTimeout,
    MailboxFull,
    NameTaken,
    StashFull,
    SystemFailed,
    SystemStopping,
)
from actors.runtime.kinds import Directive, Kind, Overflow, Supervision
from actors.runtime.messages import ReceiveTimeout, StopReason, Terminated
from actors.runtime.metering import Figures, KindFigures
from actors.runtime.ref import ActorRef
from actors.runtime.settings import SystemSettings
from actors.runtime.system import ActorSystem

__all__ = [
    "Actor",
    "ActorError",
    "ActorFailed",
    "ActorQuarantined",
    "ActorRef",
    "ActorStopped",
    "ActorSystem",
    "AskTimeout",
    "Context",
    "DeadLetter",
    "DeadLetters",
    "DeadReason",
    "Directive",
    "Figures",
    "Kind",
    "KindFigures",
    "MailboxFull",
    "NameTaken",
    "Overflow",
    "ReceiveTimeout",
    "Reply",
    "StashFull",
    "StopReason",
    "Supervision",
    "SystemFailed",
    "SystemSettings",
    "SystemStopping",
    "Terminated",
]
