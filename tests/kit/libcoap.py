"""libcoap's command-line client, from the system's packages: installed where the tests may do so."""

import fcntl
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

PACKAGE = "libcoap3-bin"
_LOCK = Path(__file__).parents[2] / ".cache" / "libcoap.lock"


class NoLibcoap(Exception):
    """The client cannot be had here; the text says why."""


@cache
def client(kind: str = "notls") -> str:
    """Return the path of ``coap-client-KIND``: ``notls``, ``openssl`` or ``gnutls``.

    Raises:
        NoLibcoap: It is not there, and cannot be installed.
    """
    name = f"coap-client-{kind}"
    found = shutil.which(name)
    if found is not None:
        return found
    _LOCK.parent.mkdir(exist_ok=True)
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shutil.which(name) is None:
            _install()
    found = shutil.which(name)
    if found is None:
        raise NoLibcoap(f"{PACKAGE} has no {name} here")
    return found


def _install() -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise NoLibcoap(f"libcoap's client is not installed: apt-get install {PACKAGE}")
    command = ["apt-get", "install", "-y", "--no-install-recommends", PACKAGE]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=120, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NoLibcoap(f"{PACKAGE} cannot be installed: {said[-1] if said else error}") from error
