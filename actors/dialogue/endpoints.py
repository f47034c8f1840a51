"""What the actor of an owner's endpoint is told."""

from msgspec import Struct

from actors.dialogue.base import Message
from actors.model.endpoints import DeliveryOutcome, Endpoint, Notice


class OpenEndpoint(Message, frozen=True, kw_only=True):
    """Tell this endpoint from now on; again: it has another secret."""

    endpoint: Endpoint


class CloseEndpoint(Message, frozen=True, kw_only=True):
    """Tell it nothing any more, and forget it."""

    by: str


class EnableEndpoint(Message, frozen=True, kw_only=True):
    """Try again, though it was disabled."""

    by: str


class NoticeFound(Message, frozen=True, kw_only=True):
    """Something happened that its owner may want to know."""

    notice: Notice


class DeliveryReported(Message, frozen=True, kw_only=True):
    """The relay says what came of a delivery."""

    notice_id: str
    outcome: DeliveryOutcome


class EndpointWoke(Message, frozen=True, kw_only=True):
    """It is time to try again."""


class Deliver(Struct, frozen=True, kw_only=True, tag=True):
    """Work for the relay ``announcements``: send one notice; answered by ``DeliveryReported``. ``attempt`` from 1."""

    endpoint: Endpoint
    notice: Notice
    attempt: int
