"""libcoap's command-line client, from the system's packages."""

from functools import cache

import debian


class NoLibcoap(Exception):
    """The client cannot be had here; the text says why."""


@cache
def client(kind: str = "notls") -> str:
    """Return the path of ``coap-client-KIND``: ``notls``, ``openssl`` or ``gnutls``.

    Raises:
        NoLibcoap: It is not there, and cannot be installed.
    """
    return debian.installed(f"coap-client-{kind}", "libcoap3-bin", NoLibcoap)
