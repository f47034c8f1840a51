"""Where an actor is in its life."""

from enum import IntEnum


class Status(IntEnum):
    """In the order of a life; up to ``RESTARTING`` messages are taken."""

    OPEN = 0
    PASSIVATING = 1
    """Takes its leave: mail gathers."""
    PASSIVE = 2
    """Only the address is left; the first message makes an incarnation."""
    RESTARTING = 3
    QUARANTINED = 4
    STOPPING = 5
    STOPPED = 6
