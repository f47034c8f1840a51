"""Where an actor is in its life."""

from enum import IntEnum


class Status(IntEnum):
    """In the order of a life; up to ``RESTARTING`` messages are taken."""

    OPEN = 0
    RESTARTING = 1
    QUARANTINED = 2
    STOPPING = 3
    STOPPED = 4
