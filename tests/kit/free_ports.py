"""Ports of loopback for servers that must be told theirs before they start."""

import socket
from random import SystemRandom

from hub.demo import scenery


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that nobody listens at, and that no connection of another test is given in the meantime."""
    return scenery.free_port(kind, SystemRandom())
